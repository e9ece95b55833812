"""Which properties CloudFormation cannot change in place: it replaces the resource.

Taken from ``createOnlyProperties`` and ``conditionalCreateOnlyProperties`` of the resource provider schemas that AWS
publishes, as of October 2026 (the package cfn-lint 1.58.0 carries them), for the types that are met most. Types stand
without ``AWS::``, nested properties with dots, ``*`` for the elements of a list.
"""

from __future__ import annotations

from collections.abc import Mapping

_FIXED: Mapping[str, str] = {
    "AmazonMQ::Broker": "AuthenticationStrategy BrokerName DeploymentMode EncryptionOptions EngineType "
    "PubliclyAccessible StorageType SubnetIds",
    "ApiGateway::Account": "",
    "ApiGateway::ApiKey": "GenerateDistinctId Name Value",
    "ApiGateway::Authorizer": "RestApiId",
    "ApiGateway::BasePathMapping": "BasePath DomainName",
    "ApiGateway::Deployment": "DeploymentCanarySettings RestApiId",
    "ApiGateway::DomainName": "DomainName",
    "ApiGateway::Method": "HttpMethod ResourceId RestApiId",
    "ApiGateway::Resource": "ParentId PathPart RestApiId",
    "ApiGateway::RestApi": "",
    "ApiGateway::Stage": "RestApiId StageName",
    "ApiGateway::UsagePlan": "",
    "ApiGateway::VpcLink": "TargetArns",
    "ApiGatewayV2::Api": "ProtocolType",
    "ApiGatewayV2::Authorizer": "ApiId",
    "ApiGatewayV2::DomainName": "DomainName",
    "ApiGatewayV2::Integration": "ApiId",
    "ApiGatewayV2::Route": "ApiId",
    "ApiGatewayV2::Stage": "ApiId StageName",
    "ApiGatewayV2::VpcLink": "SecurityGroupIds SubnetIds",
    "AppSync::GraphQLApi": "",
    "ApplicationAutoScaling::ScalableTarget": "ResourceId ScalableDimension ServiceNamespace",
    "ApplicationAutoScaling::ScalingPolicy": "PolicyName ResourceId ScalableDimension ScalingTargetId ServiceNamespace",
    "Athena::WorkGroup": "Name",
    "AutoScaling::AutoScalingGroup": "AutoScalingGroupName InstanceId",
    "AutoScaling::LaunchConfiguration": "AssociatePublicIpAddress BlockDeviceMappings ClassicLinkVPCId "
    "ClassicLinkVPCSecurityGroups EbsOptimized IamInstanceProfile ImageId InstanceId InstanceMonitoring "
    "InstanceType KernelId KeyName LaunchConfigurationName MetadataOptions PlacementTenancy RamDiskId "
    "SecurityGroups SpotPrice UserData",
    "AutoScaling::LifecycleHook": "AutoScalingGroupName LifecycleHookName",
    "AutoScaling::ScalingPolicy": "AutoScalingGroupName",
    "AutoScaling::ScheduledAction": "AutoScalingGroupName",
    "Backup::BackupPlan": "",
    "Backup::BackupSelection": "BackupPlanId BackupSelection",
    "Backup::BackupVault": "BackupVaultName EncryptionKeyArn",
    "Batch::ComputeEnvironment": "ComputeEnvironmentName "
    "ComputeResources.ManagedInstancesProvider.InstanceLaunchTemplate.CapacityOptionType "
    "ComputeResources.ManagedInstancesProvider.InstanceLaunchTemplate.FipsEnabled "
    "ComputeResources.SpotIamFleetRole EksConfiguration.EksClusterArn EksConfiguration.KubernetesNamespace "
    "Tags Type",
    "Batch::JobDefinition": "JobDefinitionName",
    "Batch::JobQueue": "JobQueueName JobQueueType",
    "Budgets::Budget": "Budget.BudgetName NotificationsWithSubscribers",
    "CertificateManager::Certificate": "CertificateAuthorityArn CertificateExport DomainName "
    "DomainValidationOptions KeyAlgorithm SubjectAlternativeNames",
    "CloudFormation::Stack": "",
    "CloudFormation::WaitCondition": "",
    "CloudFormation::WaitConditionHandle": "",
    "CloudFront::CachePolicy": "",
    "CloudFront::CloudFrontOriginAccessIdentity": "",
    "CloudFront::Distribution": "",
    "CloudFront::Function": "Name",
    "CloudFront::OriginAccessControl": "",
    "CloudFront::ResponseHeadersPolicy": "",
    "CloudTrail::Trail": "TrailName",
    "CloudWatch::Alarm": "AlarmName",
    "CloudWatch::CompositeAlarm": "AlarmName",
    "CloudWatch::Dashboard": "DashboardName",
    "CodeArtifact::Repository": "DomainName DomainOwner RepositoryName",
    "CodeBuild::Project": "Name",
    "CodeCommit::Repository": "",
    "CodeDeploy::Application": "ApplicationName ComputePlatform",
    "CodeDeploy::DeploymentGroup": "ApplicationName DeploymentGroupName",
    "CodePipeline::Pipeline": "Name",
    "CodeStarConnections::Connection": "ConnectionName HostArn ProviderType",
    "Cognito::IdentityPool": "",
    "Cognito::IdentityPoolRoleAttachment": "IdentityPoolId",
    "Cognito::UserPool": "",
    "Cognito::UserPoolClient": "GenerateSecret UserPoolId",
    "Cognito::UserPoolDomain": "Domain UserPoolId",
    "Cognito::UserPoolGroup": "GroupName UserPoolId",
    "Config::ConfigRule": "ConfigRuleName",
    "Config::ConfigurationRecorder": "Name StartedOnCreate",
    "Config::DeliveryChannel": "Name",
    "DMS::ReplicationInstance": "DnsNameServers KmsKeyId PubliclyAccessible ReplicationSubnetGroupIdentifier "
    "ResourceIdentifier",
    "DMS::ReplicationTask": "MigrationType ReplicationInstanceArn ResourceIdentifier SourceEndpointArn "
    "TargetEndpointArn",
    "DocDB::DBCluster": "AvailabilityZones DBClusterIdentifier DBSubnetGroupName KmsKeyId MasterUsername "
    "SnapshotIdentifier SourceDBClusterIdentifier StorageEncrypted",
    "DocDB::DBInstance": "AvailabilityZone DBClusterIdentifier DBInstanceIdentifier",
    "DocDB::DBSubnetGroup": "DBSubnetGroupName",
    "DynamoDB::GlobalTable": "TableName",
    "DynamoDB::Table": "ImportSourceSpecification TableName",
    "EC2::CustomerGateway": "BgpAsn BgpAsnExtended CertificateArn DeviceName IpAddress Type",
    "EC2::DHCPOptions": "DomainName DomainNameServers Ipv6AddressPreferredLeaseTime NetbiosNameServers "
    "NetbiosNodeType NtpServers",
    "EC2::EIP": "Address IpamPoolId NetworkBorderGroup TransferAddress",
    "EC2::EIPAssociation": "AllocationId EIP InstanceId NetworkInterfaceId PrivateIpAddress",
    "EC2::EgressOnlyInternetGateway": "VpcId",
    "EC2::FlowLog": "DeliverCrossAccountRole DeliverLogsPermissionArn DestinationOptions LogDestination "
    "LogDestinationType LogFormat LogGroupName MaxAggregationInterval ResourceId ResourceType "
    "TagFieldSpecifications TrafficType",
    "EC2::Instance": "AvailabilityZone CpuOptions ElasticGpuSpecifications ElasticInferenceAccelerators "
    "EnclaveOptions HibernationOptions HostResourceGroupArn ImageId Ipv6AddressCount Ipv6Addresses KeyName "
    "LaunchTemplate LicenseSpecifications NetworkInterfaces PlacementGroupName PrivateIpAddress "
    "SecurityGroups SubnetId",
    "EC2::InternetGateway": "",
    "EC2::KeyPair": "KeyFormat KeyName KeyType PublicKeyMaterial Tags",
    "EC2::LaunchTemplate": "LaunchTemplateName",
    "EC2::NatGateway": "AllocationId AvailabilityMode ConnectivityType PrivateIpAddress SubnetId VpcId",
    "EC2::NetworkAcl": "VpcId",
    "EC2::NetworkAclEntry": "Egress NetworkAclId RuleNumber",
    "EC2::NetworkInterface": "InterfaceType PrivateIpAddress SubnetId",
    "EC2::PlacementGroup": "ParentGroupId PartitionCount SpreadLevel Strategy Tags",
    "EC2::PrefixList": "",
    "EC2::Route": "DestinationCidrBlock DestinationIpv6CidrBlock DestinationPrefixListId RouteTableId",
    "EC2::RouteTable": "VpcId",
    "EC2::SecurityGroup": "GroupDescription GroupName VpcId",
    "EC2::SecurityGroupEgress": "CidrIp CidrIpv6 DestinationPrefixListId DestinationSecurityGroupId FromPort "
    "GroupId IpProtocol ToPort",
    "EC2::SecurityGroupIngress": "CidrIp CidrIpv6 FromPort GroupId GroupName IpProtocol SourcePrefixListId "
    "SourceSecurityGroupId SourceSecurityGroupName SourceSecurityGroupOwnerId ToPort",
    "EC2::Subnet": "AvailabilityZone AvailabilityZoneId CidrBlock Ipv4IpamPoolId Ipv4NetmaskLength Ipv6IpamPoolId "
    "Ipv6Native Ipv6NetmaskLength OutpostArn VpcId",
    "EC2::SubnetNetworkAclAssociation": "NetworkAclId SubnetId",
    "EC2::SubnetRouteTableAssociation": "RouteTableId SubnetId",
    "EC2::TransitGateway": "AmazonSideAsn MulticastSupport",
    "EC2::TransitGatewayAttachment": "TransitGatewayId VpcId",
    "EC2::TransitGatewayRoute": "Blackhole DestinationCidrBlock TransitGatewayAttachmentId TransitGatewayRouteTableId",
    "EC2::VPC": "CidrBlock Ipv4IpamPoolId Ipv4NetmaskLength VpcEncryptionControl",
    "EC2::VPCCidrBlock": "AmazonProvidedIpv6CidrBlock CidrBlock Ipv4IpamPoolId Ipv4NetmaskLength Ipv6CidrBlock "
    "Ipv6CidrBlockNetworkBorderGroup Ipv6IpamPoolId Ipv6NetmaskLength Ipv6Pool VpcId",
    "EC2::VPCDHCPOptionsAssociation": "DhcpOptionsId VpcId",
    "EC2::VPCEndpoint": "DnsOptions.PrivateDnsPreference DnsOptions.PrivateDnsSpecifiedDomains "
    "ResourceConfigurationArn ServiceName ServiceNetworkArn ServiceRegion VpcEndpointType VpcId",
    "EC2::VPCEndpointService": "",
    "EC2::VPCGatewayAttachment": "VpcId",
    "EC2::VPCPeeringConnection": "PeerOwnerId PeerRegion PeerVpcId VpcId",
    "EC2::VPNConnection": "EnableAcceleration LocalIpv4NetworkCidr LocalIpv6NetworkCidr OutsideIpAddressType "
    "PreSharedKeyStorage RemoteIpv4NetworkCidr RemoteIpv6NetworkCidr StaticRoutesOnly "
    "TransportTransitGatewayAttachmentId TunnelInsideIpVersion Type VpnConcentratorId",
    "EC2::VPNGateway": "AmazonSideAsn Type",
    "EC2::Volume": "",
    "EC2::VolumeAttachment": "Device EbsCardIndex InstanceId VolumeId",
    "ECR::PublicRepository": "RepositoryName",
    "ECR::Repository": "EncryptionConfiguration EncryptionConfiguration.EncryptionType "
    "EncryptionConfiguration.KmsKey RepositoryName",
    "ECS::CapacityProvider": "AutoScalingGroupProvider.AutoScalingGroupArn ClusterName Name",
    "ECS::Cluster": "ClusterName",
    "ECS::ClusterCapacityProviderAssociations": "Cluster",
    "ECS::Service": "Cluster Role SchedulingStrategy ServiceName",
    "ECS::TaskDefinition": "ContainerDefinitions Cpu EnableFaultInjection EphemeralStorage ExecutionRoleArn Family "
    "InferenceAccelerators IpcMode Memory NetworkMode PidMode PlacementConstraints ProxyConfiguration "
    "RequiresCompatibilities RuntimePlatform TaskRoleArn Volumes",
    "EFS::AccessPoint": "ClientToken FileSystemId PosixUser PosixUser.Gid PosixUser.SecondaryGids PosixUser.Uid "
    "RootDirectory RootDirectory.CreationInfo RootDirectory.CreationInfo.OwnerGid "
    "RootDirectory.CreationInfo.OwnerUid RootDirectory.CreationInfo.Permissions RootDirectory.Path",
    "EFS::FileSystem": "AvailabilityZoneName Encrypted KmsKeyId PerformanceMode",
    "EFS::MountTarget": "FileSystemId IpAddress IpAddressType Ipv6Address SubnetId",
    "EKS::AccessEntry": "ClusterName PrincipalArn Type",
    "EKS::Addon": "AddonName ClusterName NamespaceConfig",
    "EKS::Cluster": "AccessConfig.BootstrapClusterCreatorAdminPermissions BootstrapSelfManagedAddons "
    "EncryptionConfig KubernetesNetworkConfig.IpFamily KubernetesNetworkConfig.ServiceIpv4Cidr Name "
    "OutpostConfig RoleArn",
    "EKS::FargateProfile": "ClusterName FargateProfileName PodExecutionRoleArn Selectors Subnets",
    "EKS::Nodegroup": "AmiType CapacityType ClusterName DiskSize InstanceTypes NodeRole NodegroupName RemoteAccess "
    "Subnets",
    "EKS::PodIdentityAssociation": "ClusterName Namespace ServiceAccount",
    "EMR::Cluster": "AdditionalInfo Applications AutoScalingRole BootstrapActions Configurations CustomAmiId "
    "EbsRootVolumeIops EbsRootVolumeSize EbsRootVolumeThroughput JobFlowRole KerberosAttributes "
    "LogEncryptionKmsKeyId LogUri Name OSReleaseLabel PlacementGroupConfigs ReleaseLabel ScaleDownBehavior "
    "SecurityConfiguration ServiceRole Steps",
    "ElastiCache::CacheCluster": "CacheSubnetGroupName ClusterName Engine NetworkType Port SnapshotArns SnapshotName",
    "ElastiCache::ParameterGroup": "CacheParameterGroupFamily",
    "ElastiCache::ReplicationGroup": "AtRestEncryptionEnabled CacheSubnetGroupName DataTieringEnabled "
    "GlobalReplicationGroupId KmsKeyId NetworkType Port PreferredCacheClusterAZs ReplicationGroupId "
    "SnapshotArns SnapshotName",
    "ElastiCache::ServerlessCache": "ConnectionType KmsKeyId NetworkType ServerlessCacheName SnapshotArnsToRestore "
    "SubnetIds",
    "ElastiCache::SubnetGroup": "CacheSubnetGroupName",
    "ElasticBeanstalk::Application": "ApplicationName",
    "ElasticBeanstalk::ApplicationVersion": "ApplicationName BuildConfiguration ImageConfiguration Process "
    "SourceBundle",
    "ElasticBeanstalk::ConfigurationTemplate": "ApplicationName EnvironmentId PlatformArn SolutionStackName "
    "SourceConfiguration",
    "ElasticBeanstalk::Environment": "ApplicationName CNAMEPrefix EnvironmentName SolutionStackName Tier.Name "
    "Tier.Type",
    "ElasticLoadBalancing::LoadBalancer": "LoadBalancerName Scheme",
    "ElasticLoadBalancingV2::Listener": "LoadBalancerArn",
    "ElasticLoadBalancingV2::ListenerCertificate": "ListenerArn",
    "ElasticLoadBalancingV2::ListenerRule": "ListenerArn",
    "ElasticLoadBalancingV2::LoadBalancer": "Name Scheme Type",
    "ElasticLoadBalancingV2::TargetGroup": "IpAddressType Name Port Protocol ProtocolVersion TargetType VpcId",
    "Elasticsearch::Domain": "DomainName",
    "Events::ApiDestination": "Name",
    "Events::Connection": "Name",
    "Events::EventBus": "Name",
    "Events::Rule": "Name",
    "FSx::FileSystem": "BackupId FileSystemType KmsKeyId SecurityGroupIds SubnetIds",
    "Glue::Crawler": "Name",
    "Glue::Database": "DatabaseName",
    "Glue::Job": "Name",
    "Glue::Table": "CatalogId DatabaseName Name TableInput.Name",
    "Glue::Trigger": "Name Type WorkflowName",
    "GuardDuty::Detector": "",
    "IAM::AccessKey": "Serial UserName",
    "IAM::Group": "GroupName",
    "IAM::GroupPolicy": "GroupName PolicyName",
    "IAM::InstanceProfile": "InstanceProfileName Path",
    "IAM::ManagedPolicy": "Description ManagedPolicyName Path",
    "IAM::OIDCProvider": "Url",
    "IAM::Policy": "",
    "IAM::Role": "Path RoleName",
    "IAM::RolePolicy": "PolicyName RoleName",
    "IAM::ServiceLinkedRole": "AWSServiceName CustomSuffix",
    "IAM::User": "UserName",
    "IAM::UserPolicy": "PolicyName UserName",
    "IAM::UserToGroupAddition": "",
    "KMS::Alias": "AliasName",
    "KMS::Key": "",
    "KMS::ReplicaKey": "PrimaryKeyArn",
    "Kinesis::Stream": "Name",
    "KinesisFirehose::DeliveryStream": "AmazonOpenSearchServerlessDestinationConfiguration.VpcConfiguration "
    "AmazonopensearchserviceDestinationConfiguration.VpcConfiguration DatabaseSourceConfiguration "
    "DeliveryStreamName DeliveryStreamType DirectPutSourceConfiguration "
    "ElasticsearchDestinationConfiguration.VpcConfiguration "
    "IcebergDestinationConfiguration.CatalogConfiguration KinesisStreamSourceConfiguration "
    "MSKSourceConfiguration SnowflakeDestinationConfiguration.SnowflakeVpcConfiguration",
    "Lambda::Alias": "FunctionName Name",
    "Lambda::EventInvokeConfig": "FunctionName Qualifier",
    "Lambda::EventSourceMapping": "EventSourceArn SelfManagedEventSource StartingPosition StartingPositionTimestamp",
    "Lambda::Function": "FunctionName PackageType TenancyConfig",
    "Lambda::LayerVersion": "CompatibleArchitectures CompatibleRuntimes Content Description LayerName LicenseInfo",
    "Lambda::Permission": "Action EventSourceToken FunctionName FunctionUrlAuthType InvokedViaFunctionUrl Principal "
    "PrincipalOrgID SourceAccount SourceArn",
    "Lambda::Url": "Qualifier TargetFunctionArn",
    "Lambda::Version": "CodeSha256 Description FunctionName ProvisionedConcurrencyConfig RuntimePolicy",
    "Logs::LogGroup": "LogGroupName",
    "Logs::LogStream": "LogGroupName LogStreamName",
    "Logs::MetricFilter": "FilterName LogGroupName",
    "Logs::SubscriptionFilter": "FilterName LogGroupName",
    "MSK::Cluster": "BrokerNodeGroupInfo.BrokerAZDistribution BrokerNodeGroupInfo.ClientSubnets "
    "BrokerNodeGroupInfo.SecurityGroups ClusterName EncryptionInfo.EncryptionAtRest "
    "EncryptionInfo.EncryptionInTransit.InCluster",
    "Neptune::DBCluster": "AvailabilityZones DBClusterIdentifier DBSubnetGroupName GlobalClusterIdentifier KmsKeyId "
    "RestoreToTime RestoreType SnapshotIdentifier SourceDBClusterIdentifier StorageEncrypted "
    "UseLatestRestorableTime",
    "Neptune::DBInstance": "AvailabilityZone DBClusterIdentifier DBInstanceIdentifier DBSnapshotIdentifier "
    "DBSubnetGroupName",
    "OpenSearchServerless::Collection": "CollectionGroupName EncryptionConfig Name StandbyReplicas Tags Type",
    "OpenSearchService::Domain": "DomainName EngineMode",
    "Pipes::Pipe": "Name Source SourceParameters.ActiveMQBrokerParameters.QueueName "
    "SourceParameters.DynamoDBStreamParameters.StartingPosition "
    "SourceParameters.KinesisStreamParameters.StartingPosition "
    "SourceParameters.KinesisStreamParameters.StartingPositionTimestamp "
    "SourceParameters.ManagedStreamingKafkaParameters.ConsumerGroupID "
    "SourceParameters.ManagedStreamingKafkaParameters.StartingPosition "
    "SourceParameters.ManagedStreamingKafkaParameters.TopicName "
    "SourceParameters.RabbitMQBrokerParameters.QueueName "
    "SourceParameters.RabbitMQBrokerParameters.VirtualHost "
    "SourceParameters.SelfManagedKafkaParameters.AdditionalBootstrapServers "
    "SourceParameters.SelfManagedKafkaParameters.ConsumerGroupID "
    "SourceParameters.SelfManagedKafkaParameters.StartingPosition "
    "SourceParameters.SelfManagedKafkaParameters.TopicName",
    "RDS::DBCluster": "ClusterScalabilityType DBClusterIdentifier DBSubnetGroupName DBSystemId DatabaseName "
    "EngineMode KmsKeyId PubliclyAccessible RestoreToTime RestoreType SnapshotIdentifier "
    "SourceDBClusterIdentifier SourceDbClusterResourceId SourceRegion StorageEncrypted "
    "UseLatestRestorableTime",
    "RDS::DBClusterParameterGroup": "DBClusterParameterGroupName Description Family",
    "RDS::DBInstance": "BackupTarget CharacterSetName CustomIAMInstanceProfile DBClusterIdentifier "
    "DBInstanceIdentifier DBName DBSubnetGroupName DBSystemId KmsKeyId MasterUsername NcharCharacterSetName "
    "SourceRegion StorageEncrypted Timezone",
    "RDS::DBParameterGroup": "DBParameterGroupName Description Family",
    "RDS::DBProxy": "DBProxyName EndpointNetworkType EngineFamily TargetConnectionNetworkType VpcSubnetIds",
    "RDS::DBProxyTargetGroup": "DBProxyName TargetGroupName",
    "RDS::DBSubnetGroup": "DBSubnetGroupName",
    "RDS::EventSubscription": "SnsTopicArn SubscriptionName",
    "RDS::GlobalCluster": "Engine GlobalClusterIdentifier SourceDBClusterIdentifier StorageEncrypted",
    "RDS::OptionGroup": "EngineName MajorEngineVersion OptionGroupDescription OptionGroupName",
    "Redshift::Cluster": "ClusterIdentifier ClusterSubnetGroupName DBName MasterUsername OwnerAccount "
    "SnapshotClusterIdentifier SnapshotIdentifier",
    "Redshift::ClusterSubnetGroup": "",
    "Route53::HealthCheck": "HealthCheckConfig.MeasureLatency HealthCheckConfig.RequestInterval HealthCheckConfig.Type",
    "Route53::HostedZone": "DelegationSetId Name",
    "Route53::RecordSet": "HostedZoneId HostedZoneName",
    "Route53::RecordSetGroup": "HostedZoneId HostedZoneName",
    "Route53Resolver::ResolverEndpoint": "Direction OutpostArn PreferredInstanceType SecurityGroupIds",
    "Route53Resolver::ResolverRule": "RuleType",
    "S3::AccessPoint": "Bucket BucketAccountId Name VpcConfiguration",
    "S3::Bucket": "BucketName BucketNamePrefix BucketNamespace",
    "S3::BucketPolicy": "Bucket",
    "SES::EmailIdentity": "EmailIdentity",
    "SNS::Subscription": "Endpoint Protocol TopicArn",
    "SNS::Topic": "FifoTopic TopicName",
    "SNS::TopicPolicy": "",
    "SQS::Queue": "FifoQueue QueueName",
    "SQS::QueuePolicy": "",
    "SSM::Association": "InstanceId",
    "SSM::Document": "DocumentType Name",
    "SSM::MaintenanceWindow": "",
    "SSM::Parameter": "Name",
    "Scheduler::Schedule": "Name",
    "Scheduler::ScheduleGroup": "Name",
    "SecretsManager::ResourcePolicy": "SecretId",
    "SecretsManager::RotationSchedule": "SecretId",
    "SecretsManager::Secret": "Name",
    "SecretsManager::SecretTargetAttachment": "SecretId",
    "ServiceDiscovery::HttpNamespace": "Name",
    "ServiceDiscovery::PrivateDnsNamespace": "Name Vpc",
    "ServiceDiscovery::Service": "HealthCheckCustomConfig Name NamespaceId Type",
    "StepFunctions::Activity": "EncryptionConfiguration Name",
    "StepFunctions::StateMachine": "StateMachineName StateMachineType",
    "Synthetics::Canary": "Name",
    "Timestream::Database": "DatabaseName",
    "Timestream::Table": "DatabaseName TableName",
    "Transfer::Server": "Domain",
    "WAFv2::IPSet": "Name Scope",
    "WAFv2::RuleGroup": "Name Scope",
    "WAFv2::WebACL": "Name Scope",
    "WAFv2::WebACLAssociation": "ResourceArn WebACLArn",
    "XRay::Group": "",
}
_SOMETIMES: Mapping[str, str] = {
    "AppSync::GraphQLApi": "LambdaAuthorizerConfig.AuthorizerResultTtlInSeconds "
    "LambdaAuthorizerConfig.AuthorizerUri LambdaAuthorizerConfig.IdentityValidationExpression "
    "OpenIDConnectConfig.AuthTTL OpenIDConnectConfig.ClientId OpenIDConnectConfig.IatTTL "
    "OpenIDConnectConfig.Issuer UserPoolConfig.AppIdClientRegex UserPoolConfig.AwsRegion "
    "UserPoolConfig.DefaultAction UserPoolConfig.UserPoolId",
    "AutoScaling::AutoScalingGroup": "LaunchConfigurationName LaunchTemplate MixedInstancesPolicy VPCZoneIdentifier",
    "Batch::ComputeEnvironment": "ComputeResources.AllocationStrategy ComputeResources.BidPercentage "
    "ComputeResources.Ec2Configuration ComputeResources.Ec2KeyPair ComputeResources.ImageId "
    "ComputeResources.InstanceRole ComputeResources.InstanceTypes ComputeResources.LaunchTemplate "
    "ComputeResources.PlacementGroup ComputeResources.ScalingPolicy ComputeResources.SecurityGroupIds "
    "ComputeResources.Subnets ComputeResources.Tags ComputeResources.Type",
    "DynamoDB::GlobalTable": "GlobalTableSourceArn KeySchema LocalSecondaryIndexes",
    "DynamoDB::Table": "KeySchema",
    "EC2::Instance": "AdditionalInfo Affinity BlockDeviceMappings EbsOptimized HostId InstanceType KernelId "
    "PrivateDnsNameOptions RamdiskId SecurityGroupIds Tenancy UserData",
    "EC2::NetworkInterface": "ConnectionTrackingSpecification EnablePrimaryIpv6 PrivateIpAddresses",
    "EC2::Subnet": "Ipv6CidrBlock",
    "EC2::VPC": "InstanceTenancy",
    "ECS::Service": "LaunchType",
    "ElastiCache::CacheCluster": "IpDiscovery PreferredAvailabilityZones",
    "ElastiCache::ReplicationGroup": "AuthToken NodeGroupConfiguration",
    "ElasticLoadBalancing::LoadBalancer": "AvailabilityZones HealthCheck Subnets",
    "Events::Rule": "EventBusName",
    "Lambda::Function": "DurableConfig",
    "Neptune::DBInstance": "AutoMinorVersionUpgrade DBParameterGroupName PreferredMaintenanceWindow",
    "OpenSearchService::Domain": "AdvancedSecurityOptions.Enabled EncryptionAtRestOptions.Enabled "
    "EncryptionAtRestOptions.KmsKeyId",
    "RDS::DBCluster": "AvailabilityZones Engine GlobalClusterIdentifier MasterUsername",
    "RDS::DBInstance": "AutoMinorVersionUpgrade AvailabilityZone BackupRetentionPeriod DBClusterSnapshotIdentifier "
    "DBParameterGroupName DBSnapshotIdentifier Engine MultiAZ PerformanceInsightsKMSKeyId "
    "PreferredMaintenanceWindow RestoreTime SourceDBClusterIdentifier SourceDBInstanceAutomatedBackupsArn "
    "SourceDBInstanceIdentifier SourceDbiResourceId UseLatestRestorableTime",
    "Route53Resolver::ResolverRule": "DomainName",
    "SNS::Subscription": "Region",
    "SSM::Document": "Attachments Content DocumentFormat Requires TargetType VersionName",
    "Transfer::Server": "EndpointDetails EndpointDetails.AddressAllocationIds IpAddressType",
}


def create_only(kind: str) -> tuple[tuple[str, ...], ...] | None:
    """The properties of a type that force a replacement; ``None`` for a type whose update behaviour is not known here."""
    known = _FIXED.get(kind.removeprefix("AWS::")) if kind.startswith("AWS::") else None
    return None if known is None else _paths(known)


def sometimes_create_only(kind: str) -> tuple[tuple[str, ...], ...]:
    """The properties of a type that force a replacement in some circumstances."""
    return _paths(_SOMETIMES.get(kind.removeprefix("AWS::"), "")) if kind.startswith("AWS::") else ()


def _paths(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(path.split(".")) for path in text.split())
