// Functions of arrays and objects, and of what is compared in them.
#include <algorithm>
#include <charconv>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/cloud/template/functions.h"

namespace vouchsafe::cloud {

namespace {

// Values is a set of values that lie elsewhere: comparing each with each would take too long.
struct ByValue {
    bool operator()(const Json* a, const Json* b) const { return *a < *b; }
};
using Values = std::set<const Json*, ByValue>;

// check_alike wants arrays alone, or objects alone.
Result<void> check_alike(const Arguments& arguments) {
    for (const Json& one : arguments) {
        if (!one.is_structured() || one.type() != arguments[0].type()) {
            return wrong_type("arrays alone or objects alone");
        }
    }
    return {};
}

Json union_of_arrays(const Arguments& arguments) {
    Json out = Json::array();
    Values seen;
    for (const Json& list : arguments) {
        for (const Json& item : list) {
            if (seen.insert(&item).second) out.push_back(item);
        }
    }
    return out;
}

Result<Json> union_of(const Arguments& arguments, const Bindings&) {
    TRY(check_alike(arguments));
    if (arguments[0].is_array()) return union_of_arrays(arguments);
    Json out = Json::object();
    for (const Json& object : arguments) out.update(object, true);
    return out;
}

Json intersection_of_arrays(const Arguments& arguments) {
    Values common;
    for (const Json& item : arguments[0]) common.insert(&item);
    for (size_t i = 1; i < arguments.size(); ++i) {
        Values here;
        for (const Json& item : arguments[i]) here.insert(&item);
        std::erase_if(common, [&](const Json* item) { return !here.contains(item); });
    }
    Json out = Json::array();
    for (const Json& item : arguments[0]) {
        auto found = common.find(&item);
        if (found == common.end()) continue;
        out.push_back(item);
        common.erase(found);
    }
    return out;
}

Result<Json> intersection(const Arguments& arguments, const Bindings&) {
    TRY(check_alike(arguments));
    if (arguments[0].is_array()) return intersection_of_arrays(arguments);
    Json out = Json::object();
    for (const auto& [name, value] : arguments[0].items()) {
        const bool everywhere =
            std::all_of(arguments.begin(), arguments.end(), [&](const Json& object) {
                auto other = object.find(name);
                return other != object.end() && *other == value;
            });
        if (everywhere) out[name] = value;
    }
    return out;
}

// extreme takes an array of whole numbers, or the numbers themselves.
template <typename Better>
Result<Json> extreme(const Arguments& arguments, Better better) {
    const Arguments numbers = arguments.size() == 1 && arguments[0].is_array()
                                  ? arguments[0].get<Arguments>()
                                  : arguments;
    if (numbers.empty()) return wrong_type("an array that is not empty, or numbers");
    int64_t out = TRY(number_at(numbers, 0));
    for (size_t i = 1; i < numbers.size(); ++i) {
        const int64_t one = TRY(number_at(numbers, i));
        if (better(one, out)) out = one;
    }
    return Json(out);
}
Result<Json> max_of(const Arguments& arguments, const Bindings&) {
    return extreme(arguments, std::greater<>());
}
Result<Json> min_of(const Arguments& arguments, const Bindings&) {
    return extreme(arguments, std::less<>());
}

// float is for what reads fractions in a template's results; templates do not compute with them.
Result<Json> float_of(const Arguments& arguments, const Bindings&) {
    if (arguments[0].is_number()) return Json(arguments[0].get<double>());
    const std::string text = TRY(text_at(arguments, 0));
    double out = 0;
    auto parsed = std::from_chars(text.data(), text.data() + text.size(), out);
    if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() ||
        !std::isfinite(out)) {
        return fail(Code::invalid, "the text is no number");
    }
    return Json(out);
}

Result<Json> flatten(const Arguments& arguments, const Bindings&) {
    if (!arguments[0].is_array()) return wrong_type("an array of arrays");
    Json out = Json::array();
    for (const Json& list : arguments[0]) {
        if (!list.is_array()) return wrong_type("an array of arrays");
        out.insert(out.end(), list.begin(), list.end());
    }
    return out;
}

// from_end returns the item with this number from the end, which has number 1; nullptr if there is
// none.
Result<const Json*> from_end(const Arguments& arguments) {
    const Json& list = arguments[0];
    if (!list.is_array()) return fail(Code::invalid, "argument 1 must be an array");
    const int64_t number = TRY(number_at(arguments, 1));
    if (number < 1 || static_cast<size_t>(number) > list.size()) return nullptr;
    return &list[list.size() - static_cast<size_t>(number)];
}
Result<Json> index_from_end(const Arguments& arguments, const Bindings&) {
    const Json* found = TRY(from_end(arguments));
    if (found == nullptr) {
        return fail(Code::invalid, "the array has {} items", arguments[0].size());
    }
    return *found;
}
Result<Json> try_index_from_end(const Arguments& arguments, const Bindings&) {
    const Json* found = TRY(from_end(arguments));
    return found == nullptr ? Json() : *found;
}

// tryGet(value, key or index, ...): each looks into what the one before found; nothing is null.
Result<Json> try_get(const Arguments& arguments, const Bindings&) {
    const Json* at = &arguments[0];
    for (size_t i = 1; i < arguments.size() && !at->is_null(); ++i) {
        const Json* next = nullptr;
        if (at->is_object()) {
            next = find_member_ignore_case(*at, TRY(text_at(arguments, i)));
        } else if (at->is_array()) {
            const int64_t index = TRY(number_at(arguments, i));
            const bool there = index >= 0 && static_cast<size_t>(index) < at->size();
            if (there) next = &(*at)[static_cast<size_t>(index)];
        } else {
            return wrong_type("an array or an object");
        }
        if (next == nullptr) return Json();
        at = next;
    }
    return *at;
}

Result<const Json*> object_at(const Arguments& arguments) {
    if (!arguments[0].is_object()) return fail(Code::invalid, "argument 1 must be an object");
    return &arguments[0];
}
Result<Json> items(const Arguments& arguments, const Bindings&) {
    Json out = Json::array();
    for (const auto& [name, value] : TRY(object_at(arguments))->items()) {
        out.push_back({{"key", name}, {"value", value}});
    }
    return out;
}
Result<Json> object_keys(const Arguments& arguments, const Bindings&) {
    Json out = Json::array();
    for (const auto& [name, value] : TRY(object_at(arguments))->items()) out.push_back(name);
    return out;
}

Result<Json> shallow_merge(const Arguments& arguments, const Bindings&) {
    if (!arguments[0].is_array()) return wrong_type("an array of objects");
    Json out = Json::object();
    for (const Json& object : arguments[0]) {
        if (!object.is_object()) return wrong_type("an array of objects");
        out.update(object);
    }
    return out;
}

// pickZones(namespace, type, region, [how many], [from]) gives the numbers of zones, as texts.
// Nothing for a type or a region without zones.
Result<Json> pick_zones(const Arguments& arguments, const Bindings& bindings) {
    constexpr std::string_view kZonal[] = {
        "microsoft.compute/disks", "microsoft.compute/virtualmachines",
        "microsoft.network/natgateways", "microsoft.network/publicipaddresses",
        "microsoft.network/publicipprefixes"};
    constexpr int64_t kZones = 3;
    const std::string type =
        to_lower(TRY(text_at(arguments, 0)) + "/" + TRY(text_at(arguments, 1)));
    std::string region = to_lower(TRY(text_at(arguments, 2)));
    std::erase(region, ' ');
    const int64_t count = arguments.size() > 3 ? TRY(number_at(arguments, 3)) : 1;
    const int64_t offset = arguments.size() > 4 ? TRY(number_at(arguments, 4)) : 0;
    if (count < 1 || count > kZones) return fail(Code::invalid, "argument 4 must be 1 to 3");
    if (offset < 0 || offset > kZones - count) {
        return fail(Code::invalid, "there are {} zones", kZones);
    }
    const std::vector<std::string>& regions = bindings.place->regions;
    Json out = Json::array();
    if (std::find(std::begin(kZonal), std::end(kZonal), type) == std::end(kZonal) ||
        std::find(regions.begin(), regions.end(), region) == regions.end()) {
        return out;
    }
    for (int64_t i = 1; i <= count; ++i) out.push_back(std::to_string(offset + i));
    return out;
}

// By name in lower case, sorted.
constexpr Function kListFunctions[] = {
    {"flatten", 1, 1, flatten},
    {"float", 1, 1, float_of},
    {"indexfromend", 2, 2, index_from_end},
    {"intersection", 2, kAnyNumber, intersection},
    {"items", 1, 1, items},
    {"max", 1, kAnyNumber, max_of},
    {"min", 1, kAnyNumber, min_of},
    {"objectkeys", 1, 1, object_keys},
    {"pickzones", 3, 5, pick_zones},
    {"shallowmerge", 1, 1, shallow_merge},
    {"tryget", 2, kAnyNumber, try_get},
    {"tryindexfromend", 2, 2, try_index_from_end},
    {"union", 1, kAnyNumber, union_of},
};

}  // namespace

std::span<const Function> list_functions() {
    return kListFunctions;
}

}  // namespace vouchsafe::cloud
