package deploy

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"gin-auth/e2e/internal/harness"
)

// These types have the parts of deploy/kubernetes.yaml. Any other field is an error: add it here after checking it.
type (
	metadata struct {
		Name   string
		Labels map[string]string
	}
	selector struct {
		MatchLabels map[string]string `yaml:"matchLabels"`
	}
	deployment struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string
		Metadata   metadata
		Spec       struct {
			Replicas int
			Selector selector
			Strategy struct {
				RollingUpdate struct {
					MaxSurge       int `yaml:"maxSurge"`
					MaxUnavailable int `yaml:"maxUnavailable"`
				} `yaml:"rollingUpdate"`
			}
			Template struct {
				Metadata metadata
				Spec     pod
			}
		}
	}
	pod struct {
		Token           *bool `yaml:"automountServiceAccountToken"`
		ServiceLinks    *bool `yaml:"enableServiceLinks"`
		GracePeriod     int   `yaml:"terminationGracePeriodSeconds"`
		SecurityContext struct {
			RunAsNonRoot   bool                  `yaml:"runAsNonRoot"`
			RunAsUser      int                   `yaml:"runAsUser"`
			RunAsGroup     int                   `yaml:"runAsGroup"`
			FSGroup        int                   `yaml:"fsGroup"`
			SeccompProfile struct{ Type string } `yaml:"seccompProfile"`
		} `yaml:"securityContext"`
		Spread []struct {
			MaxSkew       int      `yaml:"maxSkew"`
			TopologyKey   string   `yaml:"topologyKey"`
			Otherwise     string   `yaml:"whenUnsatisfiable"`
			LabelSelector selector `yaml:"labelSelector"`
		} `yaml:"topologySpreadConstraints"`
		Containers []container
		Volumes    []struct {
			Name   string
			Secret struct {
				Name string `yaml:"secretName"`
				Mode int    `yaml:"defaultMode"`
			}
		}
	}
	container struct {
		Name, Image string
		Env         []struct{ Name, Value string }
		Ports       []struct {
			Name string
			Port int `yaml:"containerPort"`
		}
		Liveness        probe `yaml:"livenessProbe"`
		Readiness       probe `yaml:"readinessProbe"`
		Resources       struct{ Requests, Limits map[string]string }
		SecurityContext struct {
			ReadOnly     bool  `yaml:"readOnlyRootFilesystem"`
			Escalation   *bool `yaml:"allowPrivilegeEscalation"`
			Capabilities struct{ Drop []string }
		} `yaml:"securityContext"`
		Mounts []struct {
			Name     string
			Path     string `yaml:"mountPath"`
			ReadOnly bool   `yaml:"readOnly"`
		} `yaml:"volumeMounts"`
	}
	probe struct {
		HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
		Period  int                         `yaml:"periodSeconds"`
		Timeout int                         `yaml:"timeoutSeconds"`
		Failure int                         `yaml:"failureThreshold"`
	}
	service struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string
		Metadata   metadata
		Spec       struct {
			Selector map[string]string
			Ports    []struct {
				Name   string
				Port   int
				Target string `yaml:"targetPort"`
			}
		}
	}
	budget struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string
		Metadata   metadata
		Spec       struct {
			MinAvailable int `yaml:"minAvailable"`
			Selector     selector
		}
	}
)

func readManifest(t *testing.T) (d deployment, s service, b budget) {
	t.Helper()
	documents := strings.Split(harness.ReadSource(t, "deploy/kubernetes.yaml"), "\n---\n")
	if len(documents) != 3 {
		t.Fatalf("deploy/kubernetes.yaml has %d documents, want 3", len(documents))
	}
	for i, into := range []any{&d, &s, &b} {
		if err := yaml.UnmarshalWithOptions([]byte(documents[i]), into, yaml.Strict()); err != nil {
			t.Fatal(yaml.FormatError(err, false, true))
		}
	}
	if len(d.Spec.Template.Spec.Containers) != 1 || len(s.Spec.Ports) != 1 {
		t.Fatal("deploy/kubernetes.yaml must have exactly one container with one port")
	}
	return d, s, b
}

func (c container) env() (env []string) {
	for _, setting := range c.Env {
		env = append(env, setting.Name+"="+setting.Value)
	}
	return env
}

// TestManifest checks the parts of the manifest that can only run on a cluster.
func TestManifest(t *testing.T) {
	t.Parallel()
	d, s, b := readManifest(t)
	p := d.Spec.Template.Spec
	c := p.Containers[0]
	label := d.Metadata.Labels["app"]
	isFalse := func(b *bool) bool { return b != nil && !*b }
	for what, ok := range map[string]bool{
		"the objects are a Deployment, a Service and a PodDisruptionBudget": d.APIVersion+" "+d.Kind == "apps/v1 Deployment" && s.APIVersion+" "+s.Kind == "v1 Service" &&
			b.APIVersion+" "+b.Kind == "policy/v1 PodDisruptionBudget",
		"the same label selects the pods everywhere": label != "" && d.Spec.Selector.MatchLabels["app"] == label &&
			d.Spec.Template.Metadata.Labels["app"] == label && s.Spec.Selector["app"] == label &&
			b.Spec.Selector.MatchLabels["app"] == label && p.Spread[0].LabelSelector.MatchLabels["app"] == label,
		"no instance is missing during an update": d.Spec.Replicas >= 2 && d.Spec.Strategy.RollingUpdate.MaxSurge > 0 &&
			d.Spec.Strategy.RollingUpdate.MaxUnavailable == 0,
		"a node can be drained":                                     b.Spec.MinAvailable > 0 && b.Spec.MinAvailable < d.Spec.Replicas,
		"the pod has enough time to stop":                           time.Duration(p.GracePeriod)*time.Second >= timeToStop(t, c.env()...),
		"Kubernetes injects no REDIS_PORT=tcp://…":                  isFalse(p.ServiceLinks),
		"the pod has no token of Kubernetes":                        isFalse(p.Token),
		"the user is that of the Dockerfile":                        p.SecurityContext.RunAsNonRoot && p.SecurityContext.RunAsUser == 65532,
		"the system calls are restricted":                           p.SecurityContext.SeccompProfile.Type == "RuntimeDefault",
		"the root file system is read-only":                         c.SecurityContext.ReadOnly,
		"the container cannot gain rights":                          isFalse(c.SecurityContext.Escalation),
		"the container has no capabilities":                         slices.Equal(c.SecurityContext.Capabilities.Drop, []string{"ALL"}),
		"the container can read the secrets":                        p.SecurityContext.FSGroup == p.SecurityContext.RunAsGroup && p.Volumes[0].Secret.Mode == 0o440,
		"the secrets are mounted":                                   p.Volumes[0].Name == c.Mounts[0].Name && c.Mounts[0].ReadOnly,
		"the memory is limited":                                     c.Resources.Limits["memory"] != "" && c.Resources.Requests["memory"] != "",
		"the image has a fixed version":                             strings.Contains(c.Image, ":") && !strings.HasSuffix(c.Image, ":latest"),
		"the port is that of the Dockerfile":                        c.Ports[0].Port == 3000 && strings.Contains(harness.ReadSource(t, "deploy/Dockerfile"), "\nEXPOSE 3000\n"),
		"the Service forwards to that port":                         s.Spec.Ports[0].Target == c.Ports[0].Name,
		"the liveness probe does not need Redis":                    c.Liveness.HTTPGet.Path == "/healthz" && c.Liveness.HTTPGet.Port == c.Ports[0].Name,
		"the readiness probe needs Redis":                           c.Readiness.HTTPGet.Path == "/readyz" && c.Readiness.HTTPGet.Port == c.Ports[0].Name,
		"a short stop of Redis removes no pod":                      (c.Readiness.Failure-1)*c.Readiness.Period >= 4 && c.Readiness.Timeout <= c.Readiness.Period,
		"the 8 s in the comment of the readiness probe are correct": (c.Readiness.Failure-1)*c.Readiness.Period == 8,
		"a slow liveness probe does not restart the pod":            c.Liveness.Failure >= 3 && c.Liveness.Timeout >= 3 && c.Liveness.Period >= 10,
		"no secret is in the manifest": !slices.ContainsFunc(c.Env, func(e struct{ Name, Value string }) bool {
			return strings.HasSuffix(e.Name, "SECRET") || strings.HasSuffix(e.Name, "PASSWORD")
		}),
	} {
		if !ok {
			t.Errorf("deploy/kubernetes.yaml does not meet this requirement: %s", what)
		}
	}
}
