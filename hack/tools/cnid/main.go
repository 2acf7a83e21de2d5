// cnid stands in for kindnetd: it writes this node's CNI configuration once the node has a pod
// range, keeps a route to every other node's range, and masquerades what leaves the pod network.
// It enforces no NetworkPolicy. It also stands in for the local-path provisioner (volumes.go).
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"
)

const (
	account  = "/var/run/secrets/kubernetes.io/serviceaccount/"
	conf     = "/etc/cni/net.d/10-cnid.conflist"
	chain    = "NODE-MASQ"
	conflist = `{"cniVersion":"0.3.1","name":"cnid","plugins":[
 {"type":"ptp","ipMasq":false,"mtu":1500,"ipam":{"type":"host-local","dataDir":"/run/cni-ipam-state",
  "routes":[{"dst":"0.0.0.0/0"}],"ranges":[[{"subnet":%q}]]}},
 {"type":"portmap","capabilities":{"portMappings":true}}]}
`
)

type nodeList struct {
	Items []struct {
		Metadata struct{ Name string }
		Spec     struct {
			PodCIDR string `json:"podCIDR"`
		}
		Status struct {
			Addresses []struct{ Type, Address string }
		}
	}
}

func run(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %v: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

func masquerade(subnet string) error {
	if run("iptables", "-w", "-t", "nat", "-n", "-L", chain) != nil {
		if err := run("iptables", "-w", "-t", "nat", "-N", chain); err != nil {
			return err
		}
	}
	rules := [][]string{{chain, "-d", subnet, "-j", "RETURN"}, {chain, "-j", "MASQUERADE"},
		{"POSTROUTING", "-s", subnet, "-m", "addrtype", "!", "--dst-type", "LOCAL", "-j", chain}}
	for _, r := range rules {
		if run("iptables", append([]string{"-w", "-t", "nat", "-C"}, r...)...) == nil {
			continue
		}
		if err := run("iptables", append([]string{"-w", "-t", "nat", "-A"}, r...)...); err != nil {
			return err
		}
	}
	return nil
}

func nodes(c *http.Client, endpoint string) (l nodeList, err error) {
	token, err := os.ReadFile(account + "token")
	if err != nil {
		return l, err
	}
	q, err := http.NewRequest("GET", "https://"+endpoint+"/api/v1/nodes", nil)
	if err != nil {
		return l, err
	}
	q.Header.Set("Authorization", "Bearer "+string(token))
	r, err := c.Do(q)
	if err != nil {
		return l, err
	}
	defer r.Body.Close()
	if r.StatusCode != 200 {
		return l, fmt.Errorf("list nodes: %s", r.Status)
	}
	return l, json.NewDecoder(r.Body).Decode(&l)
}

func main() {
	ca, err := os.ReadFile(account + "ca.crt")
	if err != nil {
		log.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	c := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	endpoint := os.Getenv("CONTROL_PLANE_ENDPOINT")
	if endpoint == "" {
		endpoint = os.Getenv("KUBERNETES_SERVICE_HOST") + ":" + os.Getenv("KUBERNETES_SERVICE_PORT")
	}
	self, subnet := os.Getenv("NODE_NAME"), os.Getenv("POD_SUBNET")
	written, routes := "", map[string]string{}
	for first := true; ; first = false {
		if !first {
			time.Sleep(2 * time.Second)
		}
		l, err := nodes(c, endpoint)
		if err != nil {
			log.Print(err)
			continue
		}
		if err := volumes(c, endpoint, self); err != nil {
			log.Print(err)
		}
		for _, n := range l.Items {
			cidr := n.Spec.PodCIDR
			if cidr == "" {
				continue
			}
			if n.Metadata.Name == self {
				if written == cidr {
					continue
				}
				if err := masquerade(subnet); err != nil {
					log.Print(err)
					continue
				}
				if err := os.WriteFile(conf+".new", fmt.Appendf(nil, conflist, cidr), 0o644); err != nil {
					log.Fatal(err)
				}
				if err := os.Rename(conf+".new", conf); err != nil {
					log.Fatal(err)
				}
				written = cidr
				log.Printf("%s: pods in %s", self, cidr)
				continue
			}
			for _, a := range n.Status.Addresses {
				if a.Type == "InternalIP" && strings.Contains(a.Address, ".") && routes[cidr] != a.Address {
					if err := run("ip", "route", "replace", cidr, "via", a.Address); err != nil {
						log.Print(err)
						continue
					}
					// the image's entrypoint rejects what would leave docker's network
					rule := []string{"NODE-EGRESS", "-d", cidr, "-j", "RETURN"}
					if run("iptables", append([]string{"-w", "-C"}, rule...)...) != nil {
						if err := run("iptables", append([]string{"-w", "-I"}, rule...)...); err != nil {
							log.Print(err) // no such chain: the image was made open
						}
					}
					routes[cidr] = a.Address
					log.Printf("%s via %s (%s)", cidr, a.Address, n.Metadata.Name)
				}
			}
		}
	}
}
