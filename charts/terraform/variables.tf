variable "kubeconfig" {
  description = "The file with the cluster's address and credentials."
  type        = string
  default     = "~/.kube/config"
}

variable "namespace" {
  type    = string
  default = "troupe"
}

variable "image_registry" {
  description = "Where troupe-server and troupe-worker are, such as registry.example.org."
  type        = string
}

variable "image_tag" {
  description = "The version; empty for the chart's own."
  type        = string
  default     = ""
}

variable "host" {
  description = "Where people find it."
  type        = string
}

variable "proxy_network" {
  description = "The network of the Ingress controller's pods, whose X-Forwarded-For is believed."
  type        = string
}

variable "secrets" {
  description = "DATABASE_URL (of the role troupe_app), REDIS_URL, OPENAI_API_KEY and so on. They stand in the state: keep it as you keep keys, or use ExternalSecrets (charts/troupe/values/production.yaml)."
  type        = map(string)
  sensitive   = true
}

variable "owner_database_url" {
  description = "Of the role that owns the tables, for the migration Job."
  type        = string
  sensitive   = true
}

variable "values" {
  description = "Further values files, later ones over earlier ones."
  type        = list(string)
  default     = []
}
