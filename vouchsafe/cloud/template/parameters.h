// What a template declares of its parameters and outputs: types, bounds, secrets. Private to
// template/.
#pragma once

#include "vouchsafe/base/json.h"
#include "vouchsafe/base/result.h"

namespace vouchsafe::cloud {

struct ParameterType {
    std::string_view name;
    bool (*fits)(const Json&);
    bool secure = false;  // its values are not shown
};

// Declaration is a parameter's, or an output's: as it stands, and the definition that its "$ref"
// leads to (Azure's "definitions", what Bicep makes of a type of one's own), or itself.
struct Declaration {
    const Json* own = nullptr;  // borrowed from the template
    const Json* type_of = nullptr;
    const ParameterType* type = nullptr;

    // read fails for an unknown type and for a reference that leads nowhere or in a circle. `path`
    // is its place: "parameters.name".
    static Result<Declaration> read(const Json& document, const Json& declared,
                                    const std::string& path);
    bool nullable() const;
    // check judges a value by type, allowed values and bounds. What is within arrays and objects is
    // not looked at.
    Result<void> check(const Json& value, const std::string& path) const;
};

}  // namespace vouchsafe::cloud
