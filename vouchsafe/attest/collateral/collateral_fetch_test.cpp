#include "vouchsafe/attest/collateral/collateral_fetch.h"

#include <future>

#include "vouchsafe/attest/collateral/test_pieces.h"
#include "vouchsafe/net/server.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;
using evidence::testing::refusal;

CollateralConfig vendors() {
    CollateralConfig out;
    out.kds_url = kAmdKds;
    out.pcs_url = kIntelPcs;
    return out;
}

FetchOutcome fetched(FakeVendor& vendor, const CollateralName& name,
                     const CollateralConfig& config = vendors(), Time now = march_2026()) {
    Checks checks;
    return fetch_piece(name, config, vendor.fetch(), {piece_anchors(), nullptr, now}, checks);
}

TEST(CollateralUrls, AreTheVendors) {
    CollateralConfig config = vendors();
    auto url = [&](const char* name) { return url_of(MUST(CollateralName::parse(name)), config); };
    EXPECT_EQ(url("amd/milan.crl"), "https://kdsintf.amd.com/vcek/v1/Milan/crl");
    EXPECT_EQ(url("amd/genoa-vlek.crl"), "https://kdsintf.amd.com/vlek/v1/Genoa/crl");
    EXPECT_EQ(url("intel/root.crl"), kIntelRootCrl);
    const std::string pcs = kIntelPcs;
    EXPECT_EQ(url("intel/pck-processor.crl"),
              pcs + "/sgx/certification/v4/pckcrl?ca=processor&encoding=der");
    EXPECT_EQ(url("intel/tcb-90c06f000000.json"),
              pcs + "/tdx/certification/v4/tcb?fmspc=90c06f000000");
    EXPECT_EQ(url("intel/qe-identity-td.json"), pcs + "/tdx/certification/v4/qe/identity");
    EXPECT_EQ(url("intel/sgx-tcb-00606a000000.json"),
              pcs + "/sgx/certification/v4/tcb?fmspc=00606a000000");
    EXPECT_EQ(url("intel/qe-identity-sgx.json"), pcs + "/sgx/certification/v4/qe/identity");
    config.pcs_url = "https://pccs.example:8081/";
    EXPECT_EQ(url("intel/root.crl"), "https://pccs.example:8081/sgx/certification/v4/rootcacrl");
    config.root_crl_url = "https://mirror.example/root.crl";
    EXPECT_EQ(url("intel/root.crl"), config.root_crl_url);
    config = {};
    EXPECT_EQ(url("amd/milan.crl") + url("intel/root.crl") + url("intel/qe-identity-td.json"), "");
}

TEST(CollateralFetch, GetsDocumentsForEnclavesFromTheirOwnPaths) {
    const Time july = at("2025-07-01T00:00:00Z");
    FakeVendor vendor;
    for (const CollateralPiece& piece : sgx_pieces()) {
        vendor.serve_piece(piece, vendors());
        FetchOutcome outcome = fetched(vendor, piece.name, vendors(), july);
        ASSERT_TRUE(outcome.piece) << piece.name.text() << outcome.piece.error().message;
        EXPECT_EQ(outcome.piece->evaluation(), 17u);
        CollateralName domains = piece.name;
        domains.tee = evidence::IntelTee::tdx;
        EXPECT_FALSE(fetched(vendor, domains, vendors(), july).piece);
    }
}

TEST(CollateralUrls, AreHttpsUnlessOnThisMachine) {
    auto good = [](const char* url) {
        CollateralConfig config;
        config.kds_url = url;
        return check_urls(config).has_value();
    };
    for (const char* url : {"", "https://kds.example", "https://kds.example/cache",
                            "http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:80"}) {
        EXPECT_TRUE(good(url)) << url;
    }
    for (const char* url : {"http://kds.example", "http://127.0.0.1.example", "kds.example",
                            "file:///etc", "https://kds.example/?a=b"}) {
        EXPECT_FALSE(good(url)) << url;
    }
}

TEST(CollateralFetch, TakesWhatTheVendorsServe) {
    FakeVendor vendor;
    CollateralConfig config = vendors();
    for (const CollateralPiece& piece : all_pieces()) {
        vendor.serve_piece(piece, config);
        FetchOutcome out = fetched(vendor, piece.name);
        ASSERT_TRUE(out.piece) << piece.name.text() << ": " << out.piece.error().message;
        EXPECT_EQ(out.piece->piece().source, url_of(piece.name, config));
        EXPECT_EQ(out.piece->piece().fetched, march_2026());
        EXPECT_EQ(out.piece->piece().bytes, piece.bytes);
    }
    // A PCCS writes lists in hex.
    net::ClientResponse hex{200, {}, encode_hex(root_list().bytes)};
    vendor.serve(kIntelRootCrl, hex);
    EXPECT_EQ(MUST(fetched(vendor, CollateralName::root_crl()).piece).piece().bytes,
              root_list().bytes);
}

TEST(CollateralFetch, TakesNothingStaleForeignOrCut) {
    FakeVendor vendor;
    CollateralConfig config = vendors();
    vendor.serve_piece(root_list("2023"), config);
    EXPECT_EQ(refusal(fetched(vendor, CollateralName::root_crl()).piece), "COLLATERAL-DATES");
    vendor.serve(kIntelRootCrl, {200, {}, "<html>"});
    EXPECT_EQ(refusal(fetched(vendor, CollateralName::root_crl()).piece), "COLLATERAL-FORM");
    CollateralPiece other = emerald_tcb();
    other.bytes = collateral_file("tcbinfo-50806f000000-2026.json");
    vendor.serve_piece(other, config);
    EXPECT_EQ(refusal(fetched(vendor, other.name).piece), "COLLATERAL-PLACE");
    vendor.serve(url_of(other.name, config), {200, {}, to_text(emerald_tcb().bytes)});
    auto without_chain = fetched(vendor, other.name);
    ASSERT_FALSE(without_chain.piece);
    EXPECT_FALSE(without_chain.whole_service);
    net::ClientResponse bad{200, {}, to_text(emerald_tcb().bytes)};
    bad.headers.set("TCB-Info-Issuer-Chain", "%zz");
    vendor.serve(url_of(other.name, config), bad);
    EXPECT_FALSE(fetched(vendor, other.name).piece);
}

TEST(CollateralFetch, TellsFailuresOfAPieceFromThoseOfTheService) {
    FakeVendor vendor;
    const CollateralName name = CollateralName::tcb_info(emerald());
    const std::string url = url_of(name, vendors());
    auto answered = [&](int status, const char* after = nullptr) {
        net::ClientResponse answer{status, {}, ""};
        if (after != nullptr) answer.headers.set("Retry-After", after);
        vendor.serve(url, answer);
        return fetched(vendor, name);
    };
    EXPECT_TRUE(fetched(vendor, name).whole_service);  // no answer
    EXPECT_FALSE(answered(404).whole_service);         // a platform that is not known
    EXPECT_TRUE(answered(503).whole_service);
    FetchOutcome busy = answered(429, "120");
    EXPECT_FALSE(busy.piece);
    EXPECT_TRUE(busy.whole_service);
    EXPECT_EQ(busy.wait, Seconds(120));
    EXPECT_FALSE(answered(429, "soon").wait);
    EXPECT_FALSE(answered(302).piece);
}

TEST(RetryAfter, IsANumberOfSecondsOrADate) {
    Time now = at("1994-11-06T08:49:00Z");
    EXPECT_EQ(parse_retry_after("0", now), Seconds(0));
    EXPECT_EQ(parse_retry_after("3600", now), Seconds(3600));
    EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now), Seconds(37));
    EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1993 08:49:37 GMT", now), Seconds(0));
    for (const char* text : {"", "-1", "1.5", " 5", "9999999999", "Sun, 06 Nov 1994 08:49:37 CET",
                             "Sun, 06 Nox 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT"}) {
        EXPECT_FALSE(parse_retry_after(text, now)) << text;
    }
}

TEST(CollateralFetch, GoesOverHttpAndEndsAtItsTime) {
    std::promise<void> end;
    std::shared_future<void> ended = end.get_future().share();
    net::ServerOptions options;
    auto server = MUST(net::Server::start(options, [&](const net::Request& request) {
        if (request.target.starts_with("/vcek")) ended.wait();
        return net::Response{200, {}, to_text(root_list().bytes)};
    }));
    CollateralConfig config;
    config.kds_url = fmt::format("http://127.0.0.1:{}", server->port());
    config.root_crl_url = config.kds_url + "/root.crl";
    config.timeout = std::chrono::milliseconds(5000);
    FetchUrl quick = fetch_over({}, config);
    config.timeout = std::chrono::milliseconds(100);
    FetchUrl slow = fetch_over({}, config);
    const PieceTerms terms{piece_anchors(), nullptr, march_2026()};
    Checks checks;
    auto list = fetch_piece(CollateralName::root_crl(), config, quick, terms, checks);
    EXPECT_TRUE(list.piece) << list.piece.error().message;
    auto hanging = fetch_piece(milan_list().name, config, slow, terms, checks);
    ASSERT_FALSE(hanging.piece);
    EXPECT_TRUE(hanging.whole_service);
    EXPECT_EQ(hanging.piece.error().code, Code::unavailable);
    end.set_value();
}

}  // namespace
}  // namespace vouchsafe::attest
