# What belongs to an environment; sourced by the other scripts.
files_of() {
    find charts platform/base fleet/metrics "env/$1" "clusters/$1" "fleet/$1" "jobs/$1" infra/modules "infra/$1" cfn -type f | sort
}
