package controllers

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/gin-gonic/gin"
)

// Pinger is a Redis that can be asked whether it answers.
type Pinger interface {
	// Ready returns nil if Redis answers, or why it does not.
	Ready(ctx context.Context) error
}

// Health answers the probes.
type Health struct {
	Redis    Pinger
	draining atomic.Bool
}

// Drain makes the service not ready from now on, so that load balancers send it no more requests.
func (h *Health) Drain() { h.draining.Store(true) }

// Alive says that the process serves. It never asks Redis, because restarting this service does not help when Redis
// is unavailable.
func (h *Health) Alive(c *gin.Context) error {
	return Message(c, http.StatusOK, "ok")
}

// Ready says whether requests can be answered now: Redis answers, and the service is not shutting down.
func (h *Health) Ready(c *gin.Context) error {
	if h.draining.Load() {
		return fmt.Errorf("%w: shutting down", ErrNotReady)
	}
	if err := h.Redis.Ready(c.Request.Context()); err != nil {
		return fmt.Errorf("%w: %w", ErrNotReady, err)
	}
	return Message(c, http.StatusOK, "ok")
}
