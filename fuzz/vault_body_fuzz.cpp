// Bodies of requests to a vault, and the query of lists. Oracles: a refusal is one of the request;
// what is accepted is within its limits; the link to a page's next one asks for what follows.
#include <cstdlib>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/net/target.h"
#include "vouchsafe/policy/release/release_policy.h"
#include "vouchsafe/vault/body.h"
#include "vouchsafe/vault/proposals.h"
#include "vouchsafe/vault/secrets/secret_wire.h"

using namespace vouchsafe;
using namespace vouchsafe::vault;

namespace {

constexpr int64_t kLastTime = 253402300799;  // 9999-12-31

void expect(bool ok) {
    if (!ok) std::abort();
}

template <typename T>
bool accepted(const Result<T>& result) {
    if (result) return true;
    expect(result.error().code == Code::invalid || result.error().code == Code::unsupported);
    expect(!result.error().message.empty());
    return false;
}

void check_attributes(const AttributesBody& attributes) {
    for (const auto& date : {attributes.not_before, attributes.expires}) {
        expect(!date || (*date >= 0 && *date <= kLastTime));
    }
}

void check_tags(const std::optional<std::map<std::string, std::string>>& tags, size_t max_text) {
    if (!tags) return;
    expect(tags->size() <= kMaxTags);
    for (const auto& [name, value] : *tags) {
        expect(!name.empty() && name.size() <= max_text && value.size() <= max_text);
    }
}

void check_key(const std::string& text, KeyBodyKind kind) {
    const auto body = parse_key_body(text, kind);
    if (!accepted(body)) return;
    check_attributes(body->attributes);
    check_tags(body->tags, kMaxTagText);
    expect(!body->key_ops || body->key_ops->size() <= kMaxKeyOps);
    expect(body->kty.empty() == (kind == KeyBodyKind::update));
    expect(body->material.has_value() == (kind == KeyBodyKind::import));
    if (!body->release_policy) return;
    expect(body->release_policy->data.size() <= policy::kMaxPolicyBytes + 3);
    expect(body->release_policy->content_type.size() <= kMaxContentType);
}

void check_secret(const std::string& text) {
    const auto set = secrets::parse_set_body(text);
    const auto update = secrets::parse_update_body(text);
    expect(accepted(update) || !accepted(set));
    if (set) expect(set->value.size() <= secrets::kMaxSecretValue);
    if (!update) return;
    check_attributes(update->attributes);
    check_tags(update->tags, secrets::kMaxSecretTagText);
    if (!update->content_type) return;
    expect(update->content_type->size() <= secrets::kMaxSecretContentType);
}

void check_others(const std::string& text) {
    (void)accepted(parse_crypto_body(text));
    const auto count = parse_random_body(text);
    if (accepted(count)) expect(*count >= 1 && *count <= 128);
    const auto release = parse_release_body(text);
    if (accepted(release)) expect(!release->target.empty() && !release->enc.empty());
    const auto json = parse_body(text);
    if (!accepted(json)) return;
    const auto change = parse_change(*json);
    if (accepted(change)) expect(change->rules || change->policy);
}

void check_page(std::string_view query) {
    auto target = net::parse_target("/keys?" + std::string(query));
    if (!target) return;
    net::Request request;
    request.query = std::move(target->query);
    const auto page = parse_page(request);
    const auto version = ApiVersion::parse(request.query_value("api-version"));
    if (!accepted(page) || !accepted(version)) return;
    expect(page->limit >= 1 && page->limit <= kMaxPage);
    net::Request next;
    const std::string last = page->after.empty() ? "name" : page->after;
    next.query = MUST(net::parse_target(next_link("", "/keys", *version, *page, last))).query;
    const Page again = MUST(parse_page(next));
    expect(again.after == last && again.limit == page->limit);
    expect(MUST(ApiVersion::parse(next.query_value("api-version"))).text() == version->text());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string text(as_text({data, size}));
    for (auto kind : {KeyBodyKind::create, KeyBodyKind::import, KeyBodyKind::update}) {
        check_key(text, kind);
    }
    check_secret(text);
    check_others(text);
    check_page(text);
    return 0;
}
