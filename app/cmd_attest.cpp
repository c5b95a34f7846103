// attest: collect this machine's evidence and get a token for it.

#include "app/show.h"
#include "vouchsafe/base/stopwatch.h"
#include "vouchsafe/guest/attestation_client.h"
#include "vouchsafe/jose/jws.h"

namespace vouchsafe::app {

namespace {

struct AttestCommand {
    std::string url = "https://sharedweu.weu.attest.azure.net";
    std::string nonce;
    std::string out;
    std::string receipt;
    bool claims = false;
    bool evidence = false;
    bool force = false;
    bool no_challenge = false;
};

// show_evidence prints what would be sent, and sends nothing to the attestation service.
Result<int> show_evidence(const guest::Site& site, const AttestCommand& command) {
    guest::MetadataClient metadata(site.client);
    device::Tpm tpm = TRY(guest::open_tpm(site.machine));
    auto collected = TRY(guest::collect_azure_guest(tpm, site.machine, metadata, command.nonce));
    write_out(dump_json_pretty(collected.attestation_info) + "\n");
    return 0;
}

Result<int> run_attest(const Context& context, const AttestCommand& command) {
    guest::Site site = TRY(context.site());
    if (command.evidence) return show_evidence(site, command);
    guest::MetadataClient metadata(site.client);
    net::Client client(site.client);
    Stopwatch watch;
    device::Tpm tpm = TRY(guest::open_tpm(site.machine));
    const Overwrite overwrite = command.force ? Overwrite::yes : Overwrite::no;
    guest::AttestOptions how{command.url, command.nonce, !command.no_challenge,
                             !command.receipt.empty()};
    auto [token, receipt] = TRY(guest::attest(tpm, site.machine, metadata, client, how));
    if (context.verbose) write_err(fmt::format("attested in {}\n", human_time(watch.seconds())));
    if (how.receipt) TRY(write_file(command.receipt, as_bytes(receipt + "\n"), overwrite));
    if (!command.out.empty()) {
        TRY(write_file(command.out, token.expose(), overwrite, 0600));
        return 0;
    }
    if (!command.claims && !context.json) {
        write_out(token.expose_text());
        write_out("\n");
        return 0;
    }
    jose::Jws parts = TRY(jose::parse_jws(token.expose_text()));
    Json claims = TRY(parse_json_object(as_text(parts.payload)));
    if (context.json) claims = Json{{"token", token.expose_text()}, {"claims", claims}};
    write_out(dump_json_pretty(claims) + "\n");
    return 0;
}

constexpr const char* kAttestExamples = R"(Examples:
  vouchsafe attest --url https://sharedweu.weu.attest.azure.net       prints the token
  vouchsafe attest --claims                                            what it says (unverified)
  vouchsafe attest --out token.jwt
  vouchsafe attest --out token.jwt --receipt receipt.jwt               with proof that it was recorded
  vouchsafe attest --evidence                                          what this machine would send
Needs the right to use the TPM (root, or the group tss).)";

}  // namespace

void add_attest(Command app, Context& context) {
    auto command = std::make_shared<AttestCommand>();
    Command attest = app.add("attest", "prove what this machine is, get a token for it");
    attest.examples(kAttestExamples);
    attest.option("--url", command->url, "attestation service", "URL")
        .from_environment("ATTEST_URL");
    attest.option("--nonce", command->nonce, "text that comes back in the token", "TEXT");
    attest.flag("--no-challenge", command->no_challenge,
                "do as Azure's clients: nothing proves that the evidence is of now, and the token "
                "lives for hours");
    attest.option("--out", command->out, "write the token here (mode 0600)", "FILE");
    attest.option("--receipt", command->receipt,
                  "have the service prove that it recorded this, and write the proof here", "FILE");
    attest.flag("--force", command->force, "replace these files if they exist");
    attest.flag("--claims", command->claims, "print the token's claims instead of the token");
    attest.flag("--evidence", command->evidence, "print the evidence and ask no service");
    attest.run([&context, command] { return run_attest(context, *command); });
}

}  // namespace vouchsafe::app
