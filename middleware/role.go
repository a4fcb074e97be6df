package middleware

import (
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/gin-gonic/gin"

	"gin-auth/session"
)

// The errors with which a request is rejected because of a role.
var (
	ErrForbidden = errors.New("role not allowed")
	ErrRoleQuery = errors.New("invalid role query")
)

// RequireRole allows only sessions whose role is one of roles. It must come after the guard:
//
//	protected.GET("/reports", middleware.RequireRole("admin", "auditor"), handle(…))
func RequireRole(roles ...string) gin.HandlerFunc {
	return func(c *gin.Context) { requireRole(c, roles) }
}

func requireRole(c *gin.Context, roles []string) {
	if !session.FromContext(c.Request.Context()).HasRole(roles...) {
		refuse(c, ErrForbidden)
	}
}

// RoleQuery rejects a request with any query except role=a&role=b, so that nobody is allowed by a typo in the
// configuration of a proxy. It must come before the guard.
func RoleQuery(c *gin.Context) {
	if _, err := queriedRoles(c.Request.URL); err != nil {
		refuse(c, err)
	}
}

// RequireQueriedRole is RequireRole for the roles in the query. Without any, it allows every session.
func RequireQueriedRole(c *gin.Context) {
	roles, err := queriedRoles(c.Request.URL)
	switch {
	case err != nil:
		refuse(c, err)
	case len(roles) > 0:
		requireRole(c, roles)
	}
}

// queriedRoles returns the roles in a query, or an ErrRoleQuery if the query has anything else or an empty role.
func queriedRoles(u *url.URL) ([]string, error) {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRoleQuery, err)
	}
	roles := query["role"]
	empty := u.RawQuery != "" && len(roles) == 0
	if empty || len(query) > 1 || slices.Contains(roles, "") {
		return nil, ErrRoleQuery
	}
	return roles, nil
}
