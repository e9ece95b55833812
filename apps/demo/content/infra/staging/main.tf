terraform {
  required_version = ">= 1.5"
}

module "network" {
  source      = "../modules/network"
  environment = "staging"
  cidr        = "10.20.0.0/16"
}
