resource "terraform_data" "orders_database" {
  input = {
    name           = "orders-staging"
    engine         = "postgres-16"
    storage_gb     = 50
    backup_days    = 3
    multi_zone     = false
  }
}
