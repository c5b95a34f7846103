// The ids by which a client and an operator speak of one request (azure-api 0.6).
#pragma once

#include "vouchsafe/net/message.h"

namespace vouchsafe::net {

// echo_client_id tells a client how it called its request: x-ms-client-request-id, of which what is
// printable ASCII without blanks, 128 bytes at most, goes back. Without one nothing changes.
void echo_client_id(const Headers& request, Response& response);

// identify echoes the client's id, and gives an answer that has no x-ms-request-id this one.
void identify(const Headers& request, std::string_view request_id, Response& response);

}  // namespace vouchsafe::net
