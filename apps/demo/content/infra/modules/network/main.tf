variable "environment" {
  type = string
}

variable "cidr" {
  type = string
}

locals {
  zones = ["a", "b", "c"]
}

resource "terraform_data" "subnet" {
  for_each = toset(local.zones)
  input = {
    name = "shop-${var.environment}-${each.key}"
    cidr = cidrsubnet(var.cidr, 4, index(local.zones, each.key))
  }
}

output "subnets" {
  value = [for zone in local.zones : terraform_data.subnet[zone].output.cidr]
}
