//! WebSocket connections through the proxy, frame by frame, by a library on both sides.

use crate::support::script::claims;

claims!(check_in_python, "websocket_library":
    messages_of_every_kind_pass,
    control_frames_pass_in_both_directions,
    either_end_closes_with_its_own_code,
    a_handshake_without_a_good_token_fails_with_401,
);
