"""Which functions of Rego a module may call: those whose answer depends on nothing but their arguments.

A list of what is allowed, so that a later version of the library brings nothing in unseen. It imports nothing: a process that
starts for every question reads it.
"""

REFUSED = {
    "http.send": "Nothing is asked of the network: what was answered then could not be told again. Use what `input` holds.",
    "opa.runtime": "A module knows nothing of the server on which it runs. Use what `input` holds.",
    "net.lookup_ip_addr": "Nothing is asked of the network: what was answered then could not be told again.",
    "time.now_ns": "Use `time.parse_rfc3339_ns(input.now)`, the moment that is recorded with the verdict.",
    "rand.intn": "The same facts must give the same answer. Use what `input` holds.",
    "uuid.rfc4122": "The same facts must give the same answer. Use what `input` holds.",
    "trace": "Use `print`, or remove it.",
}
"""Name → what to do instead."""
PERMITTED = frozenset(
    """
    abs array.concat array.reverse array.slice base64.decode base64.encode base64.is_valid base64url.decode base64url.encode
    base64url.encode_no_pad bits.and bits.lsh bits.negate bits.or bits.rsh bits.xor ceil concat contains count endswith floor
    format_int glob.match glob.quote_meta graph.reachable graph.reachable_paths hex.decode hex.encode indexof indexof_n
    intersection is_array is_boolean is_null is_number is_object is_set is_string json.filter json.is_valid json.marshal
    json.patch json.remove json.unmarshal lower max min net.cidr_contains net.cidr_is_valid numbers.range numbers.range_step
    object.filter object.get object.keys object.remove object.subset object.union object.union_n print product
    regex.find_all_string_submatch_n regex.find_n regex.is_valid regex.match regex.replace regex.split replace round
    semver.compare semver.is_valid sort split sprintf startswith strings.any_prefix_match strings.any_suffix_match strings.count
    strings.replace_n strings.reverse substring sum time.add_date time.clock time.date time.diff time.format
    time.parse_duration_ns time.parse_ns time.parse_rfc3339_ns time.weekday to_number trim trim_left trim_prefix trim_right
    trim_space trim_suffix type_name union units.parse units.parse_bytes upper uuid.parse walk yaml.is_valid yaml.unmarshal
    """.split()
)
