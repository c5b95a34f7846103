// Private to computed*.cpp: what the rows of several types need.
#pragma once

#include <functional>
#include <initializer_list>
#include <set>

#include "vouchsafe/cloud/computed.h"

namespace vouchsafe::cloud {

// keep_or_make takes a member over from before, or makes it: ids and addresses stay.
template <typename Make>
void keep_or_make(Computing& c, const char* member, Make make) {
    const Json* old = c.before == nullptr ? nullptr : c.before->property(member);
    c.now.properties()[member] = old != nullptr ? *old : Json(make());
}

void set_default(Json& object, const char* member, Json value);
std::string text_in(const Json& object, std::initializer_list<std::string_view> path);
tl::unexpected<Problem> bad_parameter(std::string_view name, std::string_view why);
// name_items gives the items of an array their ids and states, as Azure does for what lies within.
void name_items(Resource& resource, const char* array, std::string_view type);
// check_items wants items with names of their own.
Outcome<void> check_items(Resource& resource, const char* array);

// used_values gathers what other resources of a type have at a place, for what one alone may have.
Outcome<std::set<std::string>> used_values(
    Computing& c, std::string_view type,
    const std::function<void(const Resource&, std::set<std::string>&)>& take);
// reference_key compares ids that may be written in several ways.
std::string reference_key(const std::string& id);
tl::unexpected<Problem> no_such_reference(const Computing& c, const std::string& id);
// find_reference wants a resource of this type. 400 InvalidResourceReference.
Outcome<Resource> find_reference(Computing& c, const std::string& id, std::string_view type);

Outcome<void> compute_network(Computing& c);
Outcome<void> compute_security_group(Computing& c);
Outcome<void> compute_public_ip(Computing& c);
Outcome<void> compute_interface(Computing& c);
Outcome<void> compute_bastion(Computing& c);

}  // namespace vouchsafe::cloud
