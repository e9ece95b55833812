# What belongs to an environment; sourced by the other scripts.
files_of() {
    find charts/web platform/base "env/$1" "clusters/$1" infra/modules "infra/$1" cfn -type f | sort
}
