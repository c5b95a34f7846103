// Reading the refusals of services: Azure's error envelope and OAuth's.
#pragma once

#include "vouchsafe/net/client.h"

namespace vouchsafe::guest {

// remote_error turns an answer that is no success into an Error that names the service, the reason
// code and the request id, under which the service's owner finds the checks. The text of the answer
// is untrusted: it is shortened and stripped of control characters.
Error remote_error(std::string_view service, const net::ClientResponse& response);

}  // namespace vouchsafe::guest
