terraform {
  required_version = ">= 1.5"
}

module "network" {
  source      = "../modules/network"
  environment = "production"
  cidr        = "10.10.0.0/16"
}
