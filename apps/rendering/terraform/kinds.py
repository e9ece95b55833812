"""Types of the large clouds' Terraform providers of which a reviewer must know something. Pure tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

_DATABASE = "It is a database; its data may be lost."
_BUCKET = "What is stored in it may be lost."
_DISK = "The data on it may be lost."
_QUEUE = "What waits in it is lost."
_ZONE = "Its names no longer resolve."
_KEY = "What was encrypted with it can no longer be read."
_READ_ELSEWHERE = "Whatever reads it fails."
_WHOLE = "Everything in it is deleted, too."

_TYPES = {
    _DATABASE: """
        aws_db_instance aws_rds_cluster aws_rds_cluster_instance aws_rds_global_cluster aws_dynamodb_table
        aws_dynamodb_global_table aws_docdb_cluster aws_docdbelastic_cluster aws_neptune_cluster aws_redshift_cluster
        aws_redshiftserverless_namespace aws_elasticache_cluster aws_elasticache_replication_group
        aws_elasticache_serverless_cache aws_memorydb_cluster aws_opensearch_domain aws_opensearchserverless_collection
        aws_elasticsearch_domain aws_keyspaces_table aws_timestreamwrite_database aws_timestreamwrite_table aws_msk_cluster
        aws_qldb_ledger aws_dsql_cluster
        google_sql_database_instance google_sql_database google_spanner_instance google_spanner_database
        google_bigtable_instance google_bigtable_table google_bigquery_dataset google_bigquery_table
        google_firestore_database google_redis_instance google_redis_cluster
        google_memorystore_instance google_alloydb_cluster google_alloydb_instance
        azurerm_mssql_server azurerm_mssql_database azurerm_mssql_managed_instance azurerm_mssql_managed_database
        azurerm_sql_server azurerm_sql_database azurerm_postgresql_server azurerm_postgresql_database
        azurerm_postgresql_flexible_server azurerm_postgresql_flexible_server_database azurerm_mysql_server
        azurerm_mysql_database azurerm_mysql_flexible_server azurerm_mysql_flexible_database azurerm_mariadb_server
        azurerm_mariadb_database azurerm_cosmosdb_account azurerm_cosmosdb_sql_database azurerm_cosmosdb_sql_container
        azurerm_cosmosdb_mongo_database azurerm_cosmosdb_mongo_collection azurerm_cosmosdb_postgresql_cluster
        azurerm_redis_cache azurerm_redis_enterprise_cluster azurerm_kusto_cluster azurerm_kusto_database
        azurerm_synapse_workspace""",
    _BUCKET: """
        aws_s3_bucket aws_s3_directory_bucket aws_ecr_repository aws_glacier_vault aws_backup_vault aws_codecommit_repository
        google_storage_bucket google_artifact_registry_repository google_container_registry
        azurerm_storage_account azurerm_storage_container azurerm_storage_share azurerm_storage_queue azurerm_storage_table
        azurerm_storage_data_lake_gen2_filesystem azurerm_container_registry azurerm_recovery_services_vault
        azurerm_data_protection_backup_vault""",
    _DISK: """
        aws_ebs_volume aws_ebs_snapshot aws_efs_file_system aws_fsx_lustre_file_system aws_fsx_windows_file_system
        aws_fsx_ontap_file_system aws_fsx_ontap_volume aws_fsx_openzfs_file_system aws_fsx_openzfs_volume
        google_compute_disk google_compute_region_disk google_compute_snapshot kubernetes_persistent_volume
        kubernetes_persistent_volume_v1 kubernetes_persistent_volume_claim kubernetes_persistent_volume_claim_v1
        google_filestore_instance google_netapp_volume
        azurerm_managed_disk azurerm_snapshot azurerm_netapp_volume azurerm_netapp_pool""",
    _QUEUE: """
        aws_sqs_queue aws_kinesis_stream aws_sns_topic aws_mq_broker google_pubsub_topic google_pubsub_subscription
        azurerm_eventhub azurerm_eventhub_namespace azurerm_servicebus_namespace azurerm_servicebus_queue
        azurerm_servicebus_topic""",
    _ZONE: """
        aws_route53_zone aws_route53domains_registered_domain google_dns_managed_zone google_clouddomains_registration
        azurerm_dns_zone azurerm_private_dns_zone""",
    _KEY: """
        aws_kms_key aws_kms_external_key aws_kms_replica_key aws_cloudhsm_v2_cluster google_kms_key_ring
        google_kms_crypto_key google_kms_crypto_key_version azurerm_key_vault azurerm_key_vault_key
        azurerm_key_vault_managed_hardware_security_module""",
    _READ_ELSEWHERE: """
        aws_secretsmanager_secret google_secret_manager_secret google_secret_manager_secret_version
        azurerm_key_vault_secret azurerm_key_vault_certificate aws_cognito_user_pool
        kubernetes_secret kubernetes_secret_v1 random_password tls_private_key""",
    _WHOLE: """
        azurerm_resource_group google_project google_folder aws_organizations_account azurerm_subscription
        aws_eks_cluster google_container_cluster azurerm_kubernetes_cluster kubernetes_namespace kubernetes_namespace_v1""",
}  # fmt: skip
LOSSES: Mapping[str, str] = MappingProxyType({name: loss for loss, names in _TYPES.items() for name in names.split()})
"""What is lost with a resource of this type."""

GIVES_RIGHTS = re.compile(
    r"aws_iam_|google_(?:.+_)?iam_(?:member|binding|policy|custom_role|deny_policy|workload_identity_pool)|"
    r"google_service_account|azurerm_(?:role_(?:assignment|definition)|user_assigned_identity|key_vault_access_policy)|"
    r"azuread_(?:app_role_assignment|directory_role|service_principal)|"
    r"aws_(?:s3_bucket|kms_key|sns_topic|sqs_queue|ecr_repository|secretsmanager_secret)_policy$|aws_lambda_permission$|"
    r"aws_eks_access_|aws_organizations_policy|aws_kms_grant|azurerm_pim_|kubernetes_(?:cluster_)?role|vault_policy"
)
"""Types that give somebody rights, matched at their beginning."""

SHIELDS: Mapping[str, str] = MappingProxyType({
    "aws_s3_bucket_public_access_block": "The bucket may become public.",
    "aws_s3_account_public_access_block": "The buckets of the whole account may become public.",
    "aws_wafv2_web_acl": "The requests that it kept out are let in.",
    "aws_wafv2_web_acl_association": "The requests that it kept out are let in.",
    "azurerm_network_security_group": "The traffic that it kept out is let in.",
    "azurerm_subnet_network_security_group_association": "The traffic that it kept out is let in.",
    "google_compute_security_policy": "The requests that it kept out are let in.",
})  # fmt: skip
"""What is open without a resource of this type."""

PROTECTIONS: Mapping[str, bool] = MappingProxyType({
    "deletion_protection": True,
    "deletion_protection_enabled": True,
    "enable_deletion_protection": True,
    "disable_api_termination": True,
    "prevent_destroy": True,
    "termination_protection": True,
    "purge_protection_enabled": True,
    "point_in_time_recovery_enabled": True,
    "force_destroy": False,
    "force_delete": False,
    "skip_final_snapshot": False,
    "delete_automated_backups": False,
})  # fmt: skip
"""Attributes that keep data from being deleted, with the value that protects."""

PROTECTS_UNSET = frozenset({"force_destroy", "force_delete", "skip_final_snapshot"})
"""Those of them that protect where nothing is said."""

SHIELDING: Mapping[str, bool] = MappingProxyType({
    "block_public_acls": True,
    "block_public_policy": True,
    "ignore_public_acls": True,
    "restrict_public_buckets": True,
    "uniform_bucket_level_access": True,
    "private_cluster_enabled": True,
    "enable_private_nodes": True,
    "enable_private_endpoint": True,
    "endpoint_private_access": True,
    "publicly_accessible": False,
    "endpoint_public_access": False,
    "public_network_access_enabled": False,
    "allow_nested_items_to_be_public": False,
    "allow_blob_public_access": False,
    "map_public_ip_on_launch": False,
    "associate_public_ip_address": False,
    "public_network_access": False,
    "ipv4_enabled": False,
})  # fmt: skip
"""Attributes that keep something from being reached, with the value that shields."""

ENCRYPTING = frozenset({"storage_encrypted", "encrypted", "encryption_enabled", "encrypt_at_rest"})
"""Attributes without which what is stored can be read by whoever gets at the disk."""

_EXPOSING = """ingress cidr_blocks ipv6_cidr_blocks cidr_ipv4 cidr_ipv6 cidr_block ipv6_cidr_block source_ranges security_rule
    source_address_prefix source_address_prefixes start_ip_address end_ip_address public_access_cidrs authorized_networks allow
    access direction rule_action protocol ip_protocol from_port to_port acl authorization_type internal load_balancing_scheme"""
_ALLOWING = """policy assume_role_policy inline_policy policy_data access_policy policy_arn role role_definition_name member
    members principal"""
PLACES: Mapping[str, str] = MappingProxyType({
    **dict.fromkeys((*_EXPOSING.split(), *SHIELDING), "exposure"),
    **dict.fromkeys(_ALLOWING.split(), "iam"),
    **dict.fromkeys(PROTECTIONS, "destroy"),
})  # fmt: skip
"""Attributes in which risks are read, with the codes of these."""
