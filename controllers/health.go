package controllers

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/gin-gonic/gin"
)

// Pinger tells whether Redis answers.
type Pinger interface {
	Ready(ctx context.Context) error
}

// Health answers the probes.
type Health struct {
	Redis    Pinger
	draining atomic.Bool
}

// Drain makes the service not ready from now on, for a load balancer to leave it alone.
func (h *Health) Drain() { h.draining.Store(true) }

// Alive says that the process serves. It never asks Redis: nothing is gained by restarting this
// service because Redis is away.
func (h *Health) Alive(c *gin.Context) error {
	return Message(c, http.StatusOK, "ok")
}

// Ready says whether requests can be answered now.
func (h *Health) Ready(c *gin.Context) error {
	if h.draining.Load() {
		return fmt.Errorf("%w: shutting down", ErrNotReady)
	}
	if err := h.Redis.Ready(c.Request.Context()); err != nil {
		return fmt.Errorf("%w: %w", ErrNotReady, err)
	}
	return Message(c, http.StatusOK, "ok")
}
