package controllers

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/gin-gonic/gin"
)

// Pinger checks whether Redis answers.
type Pinger interface {
	// Ready returns nil if Redis answers, or the reason why it does not.
	Ready(ctx context.Context) error
}

// Health answers the probes.
type Health struct {
	Redis    Pinger
	draining atomic.Bool
}

// Drain makes the service not ready from now on, so that load balancers stop sending requests.
func (h *Health) Drain() { h.draining.Store(true) }

// Alive answers 200 while the process serves. It never asks Redis, because restarting this service does not help if
// Redis is unavailable.
func (h *Health) Alive(c *gin.Context) error {
	return Message(c, http.StatusOK, "ok")
}

// Ready answers 200 if requests can be answered now: Redis answers, and the service is not shutting down.
func (h *Health) Ready(c *gin.Context) error {
	if h.draining.Load() {
		return fmt.Errorf("%w: shutting down", ErrNotReady)
	}
	if err := h.Redis.Ready(c.Request.Context()); err != nil {
		return fmt.Errorf("%w: %w", ErrNotReady, err)
	}
	return Message(c, http.StatusOK, "ok")
}
