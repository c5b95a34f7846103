// The JSON type's name, cheap enough for headers.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace vouchsafe {
using Json = nlohmann::json;
}
