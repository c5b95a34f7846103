// The few pages that people see of the token issuer: plain HTML without scripts. Private to
// identity/.
#pragma once

#include "vouchsafe/net/message.h"

namespace vouchsafe::identity {

using Query = std::vector<std::pair<std::string, std::string>>;

// text_page says one sentence.
net::Response text_page(int status, std::string_view sentence);

// sign_in_page asks for name and password, and for a device's code; it sends them to its own
// address with the same query. `problem` is shown, "" if there is none. Status 200 or an error's.
net::Response sign_in_page(int status, std::string_view problem, const Query& query,
                           bool with_device_code);

}  // namespace vouchsafe::identity
