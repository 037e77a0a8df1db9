package trace

// Application names that importers give.
const (
	appOnlineBoutique = "online_boutique"
	appRedis          = "redis"
)

// ServiceName is a service under two names.
type ServiceName struct {
	Kubernetes string // name of its Deployment
	Name       string // name in our application files and recordings
}

// ServiceNames is the table by which importers rename services; a service that it does not list keeps its name.
// The first eleven are Online Boutique's, the others those of Redis with a leader and followers.
func ServiceNames() []ServiceName {
	return []ServiceName{
		{"frontend", "frontend"},
		{"productcatalogservice", "productcatalog"},
		{"currencyservice", "currency"},
		{"cartservice", "cart"},
		{"recommendationservice", "recommendation"},
		{"shippingservice", "shipping"},
		{"paymentservice", "payment"},
		{"emailservice", "email"},
		{"adservice", "ad"},
		{"checkoutservice", "checkout"},
		{"redis-cart", "redis"},
		{"redis-leader", "leader"},
		{"redis-follower", "follower"},
	}
}

// renamed returns our name of a service, the application it belongs to ("" if it is in no table).
func renamed(service string) (name, application string) {
	for _, s := range ServiceNames() {
		if s.Kubernetes != service {
			continue
		}
		if s.Name == "leader" || s.Name == "follower" {
			return s.Name, appRedis
		}
		return s.Name, appOnlineBoutique
	}
	return service, ""
}
