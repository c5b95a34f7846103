#include "vouchsafe/train/table.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "vouchsafe/train/csv.h"
#include "vouchsafe/train/test_support.h"

namespace vouchsafe::train {
namespace {

using Rows = std::vector<std::vector<float>>;

Result<Table> parse(std::string_view csv, std::string label = "y") {
    return Table::parse(as_bytes(csv), {.label = std::move(label)});
}

Rows features(const Table& table) {
    Rows out(table.rows());
    for (size_t i = 0; i < table.rows(); ++i) {
        auto row = table.expose_values().subspan(i * table.features(), table.features());
        out[i].assign(row.begin(), row.end());
    }
    return out;
}

std::vector<float> labels(const Table& table) {
    return {table.expose_labels().begin(), table.expose_labels().end()};
}

std::string error_of(std::string_view csv) {
    auto table = parse(csv);
    if (table) return "";
    EXPECT_EQ(table.error().code, Code::invalid);
    return table.error().message;
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

TEST(Table, TakesTheLabelOutWhereverItStands) {
    for (std::string_view csv :
         {"a,b,y\n1,2,0\n3,4,1\n", "y,a,b\n0,1,2\n1,3,4\n", "a,y,b\n1,0,2\n3,1,4\n"}) {
        Table table = MUST(parse(csv));
        EXPECT_EQ(table.feature_names(), (std::vector<std::string>{"a", "b"}));
        EXPECT_EQ(features(table), (Rows{{1, 2}, {3, 4}}));
        EXPECT_EQ(labels(table), (std::vector<float>{0, 1}));
    }
}

TEST(Table, ReadsBothLineEndsAMissingLastOneAndEmptyLines) {
    for (std::string_view csv : {"a,y\n1,0\n2,1\n", "a,y\r\n1,0\r\n2,1\r\n", "a,y\n1,0\n2,1",
                                 "a,y\r\n1,0\r\n2,1", "\n\na,y\n\n1,0\n\r\n2,1\n\n\n",
                                 "\xef\xbb\xbf"
                                 "a,y\n1,0\n2,1",
                                 "a,y\n1,0\r\n2,1\r"}) {
        Table table = MUST(parse(csv));
        EXPECT_EQ(features(table), (Rows{{1}, {2}})) << csv;
        EXPECT_EQ(labels(table), (std::vector<float>{0, 1})) << csv;
    }
}

TEST(Table, ReadsQuotesBlanksSignsAndExponents) {
    Table table = MUST(parse("\"a\", b ,\"y\"\n \"1.5\" ,\t-2 ,0\n+3e2,.5,1\n5.,-0,1E0\n"));
    EXPECT_EQ(table.feature_names(), (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(features(table), (Rows{{1.5, -2}, {300, 0.5}, {5, -0.0f}}));
    EXPECT_TRUE(std::signbit(features(table)[2][1]));
}

TEST(Table, AnEmptyCellIsMissing) {
    Table table = MUST(parse("a,b,y\n,2,0\n1,\"\",1\n , ,0\n"));
    Rows rows = features(table);
    EXPECT_TRUE(std::isnan(rows[0][0]));
    EXPECT_TRUE(std::isnan(rows[1][1]));
    EXPECT_TRUE(std::isnan(rows[2][0]) && std::isnan(rows[2][1]));
    EXPECT_EQ(rows[0][1], 2);
}

TEST(Table, NamesRowAndColumnButNeverTheCell) {
    EXPECT_EQ(error_of("a,b,y\n1,2,0\n1,secret,0\n"),
              "row 2, column \"b\": the cell is not a number (3 columns are expected)");
    EXPECT_NE(error_of("a,b,y\n1,2\n").find("row 1, column \"b\": the cell is the last"),
              std::string::npos);
    EXPECT_NE(error_of("a,b,y\n1,2,0,4\n").find("row 1, column \"y\": the cell is followed"),
              std::string::npos);
    EXPECT_NE(error_of("a,b,y\n1,1e39,0\n").find("too large"), std::string::npos);
    EXPECT_NE(error_of("a,b,y\n1,1e999,0\n").find("too large"), std::string::npos);
    EXPECT_EQ(error_of("a,y\n\n1,0\n\n2,1\nsecret,0").find("row 3"), 0U);
    EXPECT_EQ(error_of("a,b,y\n1,2,0\n1,secret,0\n").find("secret"), std::string::npos);
}

TEST(Table, RefusesWhatIsNoNumber) {
    for (std::string_view cell : {"nan",   "inf",      "-inf",  "0x10", "1e",
                                  "e5",    "--1",      "+-1",   "++1",  "-",
                                  "+",     ".",        "1.2.3", "1 2",  "1_000",
                                  "\"1",   "1\"",      "'1'",   "1,5e", "\xff",
                                  "1\r2",  "infinity", "1f",    "12a",  "99999999999999999999x",
                                  "1.0e+", "\v1"}) {
        std::string csv = "a,y\n" + std::string(cell) + ",0\n";
        EXPECT_NE(error_of(csv), "") << cell;
    }
    std::string with_zero = "a,y\n1";
    with_zero += '\0';
    EXPECT_NE(error_of(with_zero + ",0\n"), "");
}

TEST(Table, RefusesABadHeader) {
    EXPECT_NE(error_of(""), "");
    EXPECT_NE(error_of("\n\n"), "");
    EXPECT_NE(error_of("a,y\n"), "");               // no rows
    EXPECT_NE(error_of("a,y"), "");                 // no rows
    EXPECT_NE(error_of("a,b\n1,2\n"), "");          // no label
    EXPECT_NE(error_of("y\n1\n"), "");              // nothing else
    EXPECT_NE(error_of(",a,y\n0,1,0\n"), "");       // an index without a name
    EXPECT_NE(error_of("a,a,y\n0,1,0\n"), "");      // twice
    EXPECT_NE(error_of("\"a,b\",y\n0,1,0\n"), "");  // a comma in quotes
    EXPECT_NE(error_of("\xff,y\n0,1\n"), "");
    std::string wide = "y";
    for (size_t i = 0; i < kMaxColumns; ++i) wide += ",c" + std::to_string(i);
    EXPECT_NE(error_of(wide + "\n"), "");
}

TEST(Table, AnOptionalLabelMayBeAbsent) {
    Table table =
        MUST(Table::parse(as_bytes("a,b\n1,2\n"), {.label = "y", .label_use = Label::optional}));
    EXPECT_FALSE(table.has_label());
    EXPECT_EQ(features(table), (Rows{{1, 2}}));
    EXPECT_TRUE(table.expose_labels().empty());
    Table with =
        MUST(Table::parse(as_bytes("a,y\n1,2\n"), {.label = "y", .label_use = Label::optional}));
    EXPECT_TRUE(with.has_label());
}

TEST(Table, RefusesRowsThatAreTooLong) {
    std::string csv = "a,y\n1,0\n" + std::string(3 * kMaxRowBytes, '1') + ",0\n";
    EXPECT_NE(error_of(csv).find("row 2 is longer than"), std::string::npos);
    EXPECT_NE(error_of("a" + std::string(3 * kMaxRowBytes, 'b') + ",y\n1,0\n"), "");
}

// The rule: the nearest double, then the nearest float.
float slow_value(const std::string& text) {
    return static_cast<float>(std::strtod(text.c_str(), nullptr));
}

TEST(CsvCell, RoundsCorrectlyHoweverANumberIsWritten) {
    std::mt19937_64 random(7);
    CsvRows rows;
    for (int i = 0; i < 50000; ++i) {
        std::string text(random() % 2, '-');
        size_t whole = random() % 12, fraction = random() % 14;
        for (size_t k = 0; k < whole + 1; ++k) text += static_cast<char>('0' + random() % 10);
        if (fraction > 0) text += '.';
        for (size_t k = 1; k < fraction; ++k) text += static_cast<char>('0' + random() % 10);
        if (random() % 8 == 0) text += "e" + std::to_string(static_cast<int>(random() % 60) - 30);
        MUST(parse_rows(as_bytes(text + "\n"), 1, rows));
        float wanted = slow_value(text);
        if (std::isinf(wanted)) {
            ASSERT_EQ(rows.error->kind, CellError::Kind::too_large) << text;
            continue;
        }
        ASSERT_EQ(rows.rows, 1U) << text;
        ASSERT_TRUE(same_bits(rows.values.expose().first(1), {&wanted, 1})) << text;
    }
}

TEST(CsvCell, ReadsTheEdgesOfTheFormats) {
    for (std::string text : {"9007199254740992",
                             "9007199254740993",
                             "9007199254740993.0",
                             "0.1",
                             "1e22",
                             "1e23",
                             "123456789012345678",
                             "1234567890123456789012345",
                             "0.000000000000000000000000000001",
                             "3.4028234663852886e38",
                             "3.4028235e38",
                             "1.1754943508222875e-38",
                             "1e-45",
                             "7e-46",
                             "1e-400",
                             "-1e-400",
                             "4.9406564584124654e-324",
                             "2.2250738585072011e-308",
                             "16777217",
                             "8388608.5",
                             "0000000000000000000000000000001",
                             "1.00000000000000000000000000000",
                             "-0.0"}) {
        auto value = parse_cell(text);
        ASSERT_TRUE(value) << text;
        float wanted = slow_value(text);
        EXPECT_TRUE(same_bits({&*value, 1}, {&wanted, 1})) << text;
        CsvRows rows;
        MUST(parse_rows(as_bytes(text + "\n"), 1, rows));
        EXPECT_TRUE(same_bits(rows.values.expose().first(1), {&wanted, 1})) << text;
    }
    EXPECT_TRUE(std::isinf(*parse_cell("1e400")));
    EXPECT_TRUE(std::isnan(*parse_cell("")));
}

// Random CSV, several MiB, so that many pieces and all threads take part.
constexpr size_t kLargeRows = 40000;
const std::string& large_csv() {
    static const std::string csv = [] {
        std::mt19937 random(3);
        std::string out = "c0,c1,c2,c3,c4,c5,c6,y\n";
        for (size_t i = 0; i < kLargeRows; ++i) {
            for (size_t c = 0; c < 7; ++c) {
                int digits = static_cast<int>(random() % 7);
                if (digits > 0) out += fmt::format("{:.{}f}", random() / 1e6 - 2000, digits);
                out += ',';
            }
            out += fmt::format("{}\n", i % 2);
        }
        return out;
    }();
    return csv;
}

TEST(Table, IsTheSameFromManyPiecesThreadsAndSealedChunks) {
    std::string csv = large_csv();
    Table one = MUST(Table::parse(as_bytes(csv), {.label = "y", .threads = 1}));
    ASSERT_EQ(one.rows(), kLargeRows);
    EXPECT_EQ(one.expose_labels()[kLargeRows - 1], 1);
    Table many = MUST(Table::parse(as_bytes(csv), {.label = "y", .threads = 4}));
    EXPECT_TRUE(same_bits(one.expose_values(), many.expose_values()));
    EXPECT_TRUE(same_bits(one.expose_labels(), many.expose_labels()));
    for (uint32_t frame : {1000U, 700001U, 2U << 20}) {
        Bytes sealed =
            MUST(seal::seal_bytes(as_bytes(csv), {plain_recipient()}, {.frame_length = frame}));
        seal::MemorySource source(sealed);
        for (unsigned threads : {1U, 5U}) {
            Checks checks;
            auto reader = MUST(
                seal::SealedReader::open(source, plain_unwrap(), {.threads = threads}, checks));
            Table sealed_table = MUST(Table::parse_sealed(reader, {.label = "y"}));
            EXPECT_TRUE(same_bits(one.expose_values(), sealed_table.expose_values()));
            EXPECT_TRUE(same_bits(one.expose_labels(), sealed_table.expose_labels()));
            EXPECT_EQ(checks.list().back().code, "SEAL-TRUNCATED");
        }
    }
}

TEST(Table, TellsTheFirstOfSeveralFaultsWithItsRow) {
    std::string csv = large_csv();
    for (size_t at : {csv.size() / 2, csv.size() * 3 / 4}) {
        size_t cell = csv.find("\n", at) + 1;
        csv[cell] = 'x';
    }
    size_t first = csv.find('x');
    size_t row = static_cast<size_t>(
        std::count(csv.begin(), csv.begin() + static_cast<ptrdiff_t>(first), '\n'));
    for (unsigned threads : {1U, 4U}) {
        auto table = Table::parse(as_bytes(csv), {.label = "y", .threads = threads});
        ASSERT_FALSE(table);
        EXPECT_EQ(table.error().message.find(fmt::format("row {}, column \"c0\"", row)), 0U)
            << table.error().message;
    }
}

TEST(Table, GivesUpWhenASealedChunkIsDamaged) {
    std::string csv = large_csv();
    Bytes sealed =
        MUST(seal::seal_bytes(as_bytes(csv), {plain_recipient()}, {.frame_length = 1 << 20}));
    for (size_t offset : {size_t{2} << 20, sealed.size() - 1}) {
        Bytes damaged = sealed;
        damaged[offset] ^= 1;
        seal::MemorySource source(damaged);
        for (unsigned threads : {1U, 4U}) {
            Checks checks;
            auto reader = MUST(
                seal::SealedReader::open(source, plain_unwrap(), {.threads = threads}, checks));
            auto table = Table::parse_sealed(reader, {.label = "y"});
            ASSERT_FALSE(table);
            ASSERT_NE(table.error().reason(), nullptr) << table.error().message;
            EXPECT_EQ(table.error().reason()->code, "SEAL-TAG");
        }
    }
}

TEST(Table, CutsMayFallAnywhere) {
    // Frames of one byte make pieces of one MiB; here the pieces are small because the file is.
    std::string csv = "a,b,y\r\n1.25,-3,0\r\n\r\n4,5e1,1";
    for (uint32_t frame = 1; frame < csv.size(); ++frame) {
        Bytes sealed =
            MUST(seal::seal_bytes(as_bytes(csv), {plain_recipient()}, {.frame_length = frame}));
        seal::MemorySource source(sealed);
        Checks checks;
        auto reader = MUST(seal::SealedReader::open(source, plain_unwrap(), {}, checks));
        Table table = MUST(Table::parse_sealed(reader, {.label = "y"}));
        EXPECT_EQ(features(table), (Rows{{1.25, -3}, {4, 50}}));
    }
}

}  // namespace
}  // namespace vouchsafe::train
