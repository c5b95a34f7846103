#include "vouchsafe/seal/seal.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "vouchsafe/seal/sealed_reader.h"
#include "vouchsafe/seal/test_support.h"

namespace vouchsafe::seal {
namespace {

Bytes read_all(SealedReader& reader) {
    Bytes out;
    while (auto chunk = MUST(reader.next_chunk())) append(out, *chunk);
    return out;
}

// A pipe that a thread fills with `bytes`.
struct FilledPipe {
    explicit FilledPipe(Bytes content) : bytes(std::move(content)) {
        path = Path("/tmp") / ("vouchsafe-seal-test-" + std::to_string(::getpid()));
        ::unlink(path.c_str());
        EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
        writer = std::thread([this] { (void)write_pipe(); });
    }
    ~FilledPipe() {
        writer.join();
        ::unlink(path.c_str());
    }
    bool write_pipe() {
        FILE* file = ::fopen(path.c_str(), "w");
        bool done = bytes.empty() ||  // fwrite must not be given a null pointer
                    ::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
        return ::fclose(file) == 0 && done;
    }
    Path path;
    Bytes bytes;
    std::thread writer;
};

TEST(Seal, OpensWhatTheAwsEncryptionSdkSealed) {
    for (std::string size : {"150", "128", "0"}) {
        Checks checks;
        auto opened = MUST(open_bytes(vector("esdk_js_" + size + ".sealed"), test_unwrap(),
                                      {.required_context = {{"purpose", "test"}}}, checks));
        EXPECT_EQ(to_bytes(opened.expose()), vector("plain_" + size + ".txt"));
        EXPECT_EQ(opened.context().at("file-name"), "known-answer.txt");
        EXPECT_EQ(checks.list().front().code, "SEAL-FORMAT");
        EXPECT_EQ(checks.list().back().code, "SEAL-TRUNCATED");
    }
}

TEST(Seal, WritesByteForByteWhatTheAwsEncryptionSdkWrites) {
    Bytes sealed = vector("esdk_js_150.sealed");
    Checks checks;
    SealedHeader header = MUST(parse_header(sealed, checks));
    SecretBytes data_key =
        MUST(test_unwrap()(header.keys[0].provider, header.keys[0].info, header.keys[0].wrapped));
    Sealer sealer =
        MUST(Sealer::create(MessageKeys::fixed(std::move(data_key), header.message_id, header.keys),
                            {.context = header.context, .frame_length = header.frame_length}));
    Bytes again(sealer.sealed_size(150));
    MUST(std::move(sealer).seal_into(vector("plain_150.txt"), again));
    EXPECT_EQ(again, sealed);
}

TEST(Seal, RefusesFilesWithoutKeyCommitmentAndSignedOnes) {
    Checks checks;
    auto version_1 = open_bytes(vector("esdk_js_version_1.sealed"), test_unwrap(), {}, checks);
    EXPECT_EQ(refusal(version_1), "SEAL-FORMAT");
    EXPECT_EQ(version_1.error().code, Code::unsupported);
    Checks more;
    EXPECT_EQ(refusal(open_bytes(vector("esdk_js_signed.sealed"), test_unwrap(), {}, more)),
              "SEAL-SUITE");
}

TEST(Seal, RoundTripsEverySizeAroundTheFrameLength) {
    for (uint32_t frame : {1U, 7U, 64U}) {
        for (size_t size = 0; size < 4 * frame + 2; ++size) {
            Bytes sealed = sealed_pattern(size, frame);
            auto opened = MUST(open_plain(sealed));
            EXPECT_EQ(to_bytes(opened.expose()), pattern(size)) << frame << " " << size;
        }
    }
}

TEST(Seal, RoundTripsOnManyThreadsInAllWays) {
    size_t size = (5 << 20) + 12345;
    for (uint32_t frame : {4096U, 100000U, 1U << 20, 2U << 20}) {
        Bytes plain = pattern(size);
        Bytes sealed =
            MUST(seal_bytes(plain, {plain_recipient()}, {.frame_length = frame, .threads = 4}));
        OpenOptions options{.threads = 4};
        EXPECT_EQ(to_bytes(MUST(open_plain(sealed, options)).expose()), plain);

        Checks checks;
        Bytes out(sealed.size());
        EXPECT_EQ(MUST(open_into(sealed, plain_unwrap(), options, out, checks)), size);
        EXPECT_TRUE(equal(ByteView(out).first(size), plain));

        MemorySource source(sealed);
        for (unsigned threads : {1U, 4U}) {
            options.threads = threads;
            auto reader = MUST(SealedReader::open(source, plain_unwrap(), options, checks));
            EXPECT_EQ(reader.plaintext_size(), size);
            EXPECT_EQ(read_all(reader), plain);
            EXPECT_FALSE(MUST(reader.next_chunk()));
        }
        std::map<uint64_t, Bytes> chunks;
        std::mutex mutex;
        auto reader = MUST(SealedReader::open(source, plain_unwrap(), options, checks));
        MUST(reader.visit_chunks([&](uint64_t number, ByteView chunk, unsigned thread) {
            EXPECT_LT(thread, reader.thread_count());
            std::lock_guard lock(mutex);
            chunks[number] = to_bytes(chunk);
            return Result<void>();
        }));
        Bytes joined;
        for (const auto& [number, chunk] : chunks) append(joined, chunk);
        EXPECT_EQ(joined, plain);
    }
}

TEST(Seal, StreamsBetweenFilesAndCommitsOnlyAtTheEnd) {
    TemporaryDir dir = MUST(TemporaryDir::create("seal"));
    Bytes plain = pattern(3000000);
    MUST(write_file(dir.path() / "plain", plain, Overwrite::no));
    auto in = MUST(FileSource::open(dir.path() / "plain"));
    {
        OutputFile out = MUST(OutputFile::create(dir.path() / "sealed", Overwrite::no));
        MUST(seal_file(*in, out, {plain_recipient()}, {.frame_length = 50000}));
        EXPECT_FALSE(std::filesystem::exists(dir.path() / "sealed"));
        MUST(out.commit());
    }
    auto sealed = MUST(FileSource::open(dir.path() / "sealed"));
    Checks checks;
    EXPECT_EQ(to_bytes(MUST(open_to_pages(*sealed, plain_unwrap(), {}, checks)).expose()), plain);
    auto reader = MUST(SealedReader::open(*sealed, plain_unwrap(), {.threads = 3}, checks));
    EXPECT_EQ(read_all(reader), plain);
    EXPECT_EQ(FileSource::open(dir.path() / "none").error().code, Code::not_found);
    EXPECT_EQ(FileSource::open(dir.path()).error().code, Code::io);
}

TEST(Seal, SealsAndOpensPipesOfUnknownLength) {
    TemporaryDir dir = MUST(TemporaryDir::create("seal"));
    for (size_t size : {0, 1, 49999, 50000, 50001, 1050000, 2100000, 3333333}) {
        Bytes plain = pattern(size);
        {
            FilledPipe pipe(plain);
            auto in = MUST(FileSource::open(pipe.path));
            EXPECT_FALSE(in->size());
            OutputFile out = MUST(OutputFile::create(dir.path() / "sealed", Overwrite::yes));
            MUST(seal_file(*in, out, {plain_recipient()}, {.frame_length = 50000, .threads = 3}));
            MUST(out.commit());
        }
        Bytes sealed = MUST(read_file(dir.path() / "sealed"));
        EXPECT_EQ(to_bytes(MUST(open_plain(sealed)).expose()), plain) << size;
        for (unsigned threads : {1U, 3U}) {
            FilledPipe pipe(sealed);
            auto in = MUST(FileSource::open(pipe.path));
            Checks checks;
            auto reader =
                MUST(SealedReader::open(*in, plain_unwrap(), {.threads = threads}, checks));
            EXPECT_FALSE(reader.plaintext_size());
            EXPECT_EQ(read_all(reader), plain) << size;
        }
        FilledPipe pipe(sealed);
        auto in = MUST(FileSource::open(pipe.path));
        Checks checks;
        EXPECT_EQ(to_bytes(MUST(open_to_pages(*in, plain_unwrap(), {}, checks)).expose()), plain);
    }
}

TEST(Seal, OpensForEachOfTwoRecipientsAndForNobodyElse) {
    crypto::PrivateKey other = MUST(crypto::PrivateKey::generate_rsa(2048));
    Bytes sealed =
        MUST(seal_bytes(as_bytes("for two"), {recipient_for(test_key().public_key(), kKeyId),
                                              recipient_for(other.public_key(), "other")}));
    Checks checks;
    EXPECT_EQ(as_text(MUST(open_bytes(sealed, test_unwrap(), {}, checks)).expose()), "for two");
    Opened second = MUST(open_bytes(sealed, unwrap_with(other, "other"), {}, checks));
    EXPECT_EQ(as_text(second.expose()), "for two");
    auto third = open_bytes(sealed, unwrap_with(other, "a third"), {}, checks);
    EXPECT_EQ(refusal(third), "SEAL-KEY");
    EXPECT_EQ(third.error().code, Code::forbidden);
    // The right id but another key: the unwrapping fails, and that is what is told.
    auto wrong = open_bytes(sealed, unwrap_with(other, kKeyId), {}, checks);
    EXPECT_FALSE(wrong);
    EXPECT_EQ(refusal(wrong), "");
    EXPECT_NE(wrong.error().code, Code::not_found);
}

TEST(Seal, PassesOnWhatTheVaultSays) {
    Bytes sealed = sealed_pattern(10, 64);
    auto down = [](const std::string&, const std::string&, ByteView) -> Result<SecretBytes> {
        return fail(Code::unavailable, "the vault does not answer");
    };
    Checks checks;
    EXPECT_EQ(open_bytes(sealed, down, {}, checks).error().code, Code::unavailable);
}

TEST(Seal, RefusesAnotherDataKeyByTheCommitment) {
    Bytes sealed = sealed_pattern(10, 64);
    auto unwrap = [](const std::string&, const std::string&, ByteView wrapped) {
        SecretBytes key = SecretBytes::copy_of(wrapped);
        key.expose_mutable()[0] ^= 1;
        return Result<SecretBytes>(std::move(key));
    };
    Checks checks;
    EXPECT_EQ(refusal(open_bytes(sealed, unwrap, {}, checks)), "SEAL-COMMITMENT");
    auto shorter = [](const std::string&, const std::string&, ByteView wrapped) {
        return Result<SecretBytes>(SecretBytes::copy_of(wrapped.first(16)));
    };
    EXPECT_EQ(refusal(open_bytes(sealed, shorter, {}, checks)), "SEAL-KEY");
}

TEST(Seal, RefusesAnotherContextThanTheWantedOne) {
    Bytes sealed = sealed_pattern(10, 64, {{"purpose", "model"}});
    EXPECT_TRUE(open_plain(sealed, {.required_context = {{"purpose", "model"}}}));
    EXPECT_EQ(refusal(open_plain(sealed, {.required_context = {{"purpose", "data"}}})),
              "SEAL-CONTEXT");
    EXPECT_EQ(refusal(open_plain(sealed, {.required_context = {{"file-name", "x"}}})),
              "SEAL-CONTEXT");
}

TEST(Seal, RefusesToSealForNobodyAndWithFramesOutOfRange) {
    EXPECT_EQ(seal_bytes({}, {}).error().code, Code::invalid);
    EXPECT_FALSE(seal_bytes({}, {plain_recipient()}, {.frame_length = 0}));
    EXPECT_FALSE(seal_bytes({}, {plain_recipient()}, {.frame_length = kMaxFrameLength + 1}));
    Recipient broken{"test", "x", [](ByteView) -> Result<Bytes> {
                         return fail(Code::unavailable, "the vault does not answer");
                     }};
    EXPECT_EQ(seal_bytes({}, {plain_recipient(), broken}).error().code, Code::unavailable);
    Sealer sealer = MUST(Sealer::create(MUST(MessageKeys::create({plain_recipient()})), {}));
    Bytes small(10);
    EXPECT_FALSE(std::move(sealer).seal_into(as_bytes("x"), small));
}

}  // namespace
}  // namespace vouchsafe::seal
