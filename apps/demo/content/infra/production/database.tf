resource "terraform_data" "orders_database" {
  input = {
    name           = "orders-production"
    engine         = "postgres-16"
    storage_gb     = 400
    backup_days    = 30
    multi_zone     = true
  }
}
