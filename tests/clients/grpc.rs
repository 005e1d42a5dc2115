//! gRPC through the proxy, by the library that most languages build on.

use crate::support::script::claims;

claims!(check_in_python, "grpc_calls":
    calls_pass_with_metadata_and_trailers,
    streams_pass_in_every_direction,
    errors_of_the_target_arrive_as_they_are,
    deadlines_reach_the_target,
    a_cancelled_call_is_cancelled_at_the_target,
    large_and_compressed_messages_pass,
    refusals_of_the_proxy_are_statuses,
    each_call_carries_the_token_of_its_own_caller,
);
