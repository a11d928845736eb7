output "address" {
  value = "https://${var.host}"
}

output "version" {
  value = helm_release.troupe.metadata.app_version
}
