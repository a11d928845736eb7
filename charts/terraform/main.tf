# Installs the chart, with its two Secrets. An example to start from:
#
#   terraform init && terraform apply -var image_registry=… -var host=… -var proxy_network=… -var-file=secrets.tfvars

provider "kubernetes" {
  config_path = var.kubeconfig
}

provider "helm" {
  kubernetes = {
    config_path = var.kubeconfig
  }
}

resource "kubernetes_namespace_v1" "troupe" {
  metadata {
    name = var.namespace
    labels = {
      # Its pods run under the strictest profile that Kubernetes has.
      "pod-security.kubernetes.io/enforce" = "restricted"
    }
  }
}

resource "kubernetes_secret_v1" "runtime" {
  metadata {
    name      = "troupe"
    namespace = kubernetes_namespace_v1.troupe.metadata[0].name
  }
  data = var.secrets
}

resource "kubernetes_secret_v1" "owner" {
  metadata {
    name      = "troupe-owner"
    namespace = kubernetes_namespace_v1.troupe.metadata[0].name
  }
  data = {
    DATABASE_URL = var.owner_database_url
  }
}

resource "helm_release" "troupe" {
  name      = "troupe"
  namespace = kubernetes_namespace_v1.troupe.metadata[0].name
  chart     = "${path.module}/../troupe"

  # Waits until pods are ready, and goes back by itself if they are not.
  atomic  = true
  timeout = 900

  values = concat(
    [yamlencode({
      image = { registry = var.image_registry, tag = var.image_tag }
      settings = {
        server = { trusted_proxies = var.proxy_network }
      }
      secrets = { existingSecret = kubernetes_secret_v1.runtime.metadata[0].name }
      migrate = { existingSecret = kubernetes_secret_v1.owner.metadata[0].name }
      ingress = { enabled = true, className = "nginx", controller = "nginx", hosts = [var.host], tlsSecret = "troupe-tls" }
    })],
    [for path in var.values : file(path)],
  )
}
