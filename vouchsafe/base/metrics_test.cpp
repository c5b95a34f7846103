#include "vouchsafe/base/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <regex>
#include <thread>

#include "vouchsafe/base/result.h"

namespace vouchsafe {
namespace {

// Exposition reads the text format as strictly as promtool does: each metric's HELP and TYPE once
// and before its samples, samples of one metric together, none twice.
class Exposition {
  public:
    explicit Exposition(const std::string& text) {
        EXPECT_TRUE(text.empty() || text.ends_with('\n'));
        size_t start = 0;
        while (start < text.size()) {
            size_t end = text.find('\n', start);
            line(text.substr(start, end - start));
            start = end + 1;
        }
    }
    // of returns the value of a sample as written: "name{label=\"value\"}".
    std::string of(const std::string& sample) const {
        auto found = samples_.find(sample);
        return found == samples_.end() ? "absent" : found->second;
    }
    size_t size() const { return samples_.size(); }

  private:
    void line(const std::string& text) {
        static const std::regex kHelp(R"(# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) ((?:[^\\]|\\\\|\\n)+))");
        static const std::regex kType(
            R"(# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram))");
        static const std::regex kSample(
            R"re(([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)+\})? (NaN|[+-]Inf|[-+.e0-9]+))re");
        std::smatch match;
        if (std::regex_match(text, match, kHelp)) {
            EXPECT_FALSE(types_.contains(match[1])) << text;
            current_ = match[1];
        } else if (std::regex_match(text, match, kType)) {
            EXPECT_EQ(match[1], current_) << text;
            EXPECT_TRUE(types_.emplace(match[1], match[2]).second) << text;
        } else if (std::regex_match(text, match, kSample)) {
            std::string name = match[1];
            if (types_[current_] == "histogram") {
                std::string suffix = name.substr(std::min(current_.size(), name.size()));
                EXPECT_TRUE(suffix == "_bucket" || suffix == "_sum" || suffix == "_count") << text;
                name = current_;
            }
            EXPECT_EQ(name, current_) << text;
            EXPECT_TRUE(samples_.emplace(match[1].str() + match[2].str(), match[3]).second) << text;
        } else {
            ADD_FAILURE() << "not a line of the format: " << text;
        }
    }

    std::string current_;
    std::map<std::string, std::string> types_;
    std::map<std::string, std::string> samples_;
};

TEST(Metrics, WriteTheTextFormat) {
    Metrics metrics;
    auto done = metrics.counter<2>("done_total", "What was \\ done.\nAll of it.", {"type", "code"});
    auto now = metrics.gauge<0>("now", "Of now.", {});
    done.add({"a", "X-1"});
    done.add({"a", "X-1"});
    done.add({"b", ""});
    now.add({}, 2);
    now.add({}, -1);
    EXPECT_EQ(metrics.text(), R"(# HELP done_total What was \\ done.\nAll of it.
# TYPE done_total counter
done_total{type="a",code="X-1"} 2
done_total{type="b",code=""} 1
# HELP now Of now.
# TYPE now gauge
now 1
)");
    Exposition read(metrics.text());
    EXPECT_EQ(read.size(), 3U);
}

TEST(Metrics, HistogramBucketsAreCumulativeAndIncludeTheirBound) {
    Metrics metrics;
    const double bounds[] = {0.1, 1, 2.5};
    auto time = metrics.histogram<1>("seconds", "How long.", {"type"}, bounds);
    for (double value : {0.05, 0.1, 0.2, 1.0, 2.6}) time.observe({"a"}, value);
    EXPECT_EQ(metrics.text(), R"(# HELP seconds How long.
# TYPE seconds histogram
seconds_bucket{type="a",le="0.1"} 2
seconds_bucket{type="a",le="1"} 4
seconds_bucket{type="a",le="2.5"} 4
seconds_bucket{type="a",le="+Inf"} 5
seconds_sum{type="a"} 3.95
seconds_count{type="a"} 5
)");
    Exposition read(metrics.text());
}

TEST(Metrics, ValuesThatAreNoNumbersNeitherSpoilSumsNorTheFormat) {
    Metrics metrics;
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    const double bounds[] = {1};
    auto time = metrics.histogram<0>("seconds", "How long.", {}, bounds);
    for (double value : {0.5, std::nan(""), kInfinity, -kInfinity}) time.observe({}, value);
    auto now = metrics.gauge<1>("now", "Of now.", {"which"});
    now.set({"nan"}, std::nan(""));
    now.set({"inf"}, kInfinity);
    now.set({"minus"}, -kInfinity);
    now.set({"small"}, 5e-324);
    now.set({"large"}, 1.7976931348623157e308);
    Exposition read(metrics.text());
    EXPECT_EQ(read.of("seconds_bucket{le=\"1\"}"), "1");
    EXPECT_EQ(read.of("seconds_bucket{le=\"+Inf\"}"), "4");
    EXPECT_EQ(read.of("seconds_sum"), "0.5");
    EXPECT_EQ(read.of("now{which=\"nan\"}"), "NaN");
    EXPECT_EQ(read.of("now{which=\"inf\"}"), "+Inf");
    EXPECT_EQ(read.of("now{which=\"minus\"}"), "-Inf");
    EXPECT_EQ(std::stod(read.of("now{which=\"large\"}")), 1.7976931348623157e308);
}

TEST(Metrics, HostileLabelValuesStayInTheirLine) {
    Metrics metrics;
    auto done = metrics.counter<1>("done_total", "What was done.", {"name"});
    done.add({"\"} 1\nfake_total{name=\""});
    done.add({"back\\slash"});
    done.add({std::string_view("zero\0byte", 9)});
    done.add({"\xc3\xa4\x7f\xff"});
    done.add({std::string(10000, 'x')});
    Exposition read(metrics.text());
    EXPECT_EQ(read.size(), 5U);
    EXPECT_EQ(read.of(R"(done_total{name="\"} 1_fake_total{name=\""})"), "1");
    EXPECT_EQ(read.of(R"(done_total{name="back\\slash"})"), "1");
    EXPECT_EQ(read.of(R"(done_total{name="zero_byte"})"), "1");
    EXPECT_EQ(read.of(R"(done_total{name="____"})"), "1");
    EXPECT_EQ(read.of(fmt::format("done_total{{name=\"{}\"}}", std::string(kMaxLabelSize, 'x'))),
              "1");
}

TEST(Metrics, ALabelHasALimitedNumberOfValues) {
    Metrics metrics;
    auto done = metrics.counter<2>("done_total", "What was done.", {"name", "type"});
    for (size_t i = 0; i < kMaxLabelValues + 5; ++i) done.add({fmt::format("n{}", i), "a"});
    done.add({"n0", "a"});
    Exposition read(metrics.text());
    EXPECT_EQ(read.size(), kMaxLabelValues + 1);
    EXPECT_EQ(read.of(R"(done_total{name="n0",type="a"})"), "2");
    EXPECT_EQ(read.of(R"(done_total{name="other",type="a"})"), "5");
}

TEST(Metrics, AMetricHasALimitedNumberOfSeries) {
    Metrics metrics;
    auto done = metrics.counter<2>("done_total", "What was done.", {"name", "type"});
    for (size_t i = 0; i < kMaxSeries + 7; ++i) {
        done.add({fmt::format("n{}", i % 64), fmt::format("t{}", i / 64)});
    }
    Exposition read(metrics.text());
    EXPECT_EQ(read.size(), kMaxSeries + 1);
    EXPECT_EQ(read.of(R"(done_total{name="other",type="other"})"), "7");
}

TEST(Metrics, LoseNothingWhenManyThreadsCount) {
    Metrics metrics;
    auto done = metrics.counter<1>("done_total", "What was done.", {"name"});
    auto time = metrics.histogram<0>("seconds", "How long.", {}, kLatencyBounds);
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 4; ++thread) {
        threads.emplace_back([&, thread] {
            for (int i = 0; i < 2000; ++i) {
                done.add({thread % 2 == 0 ? "even" : "odd"});
                time.observe({}, 0.003);
                if (i % 500 == 0) Exposition read(metrics.text());
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    Exposition read(metrics.text());
    EXPECT_EQ(read.of("done_total{name=\"even\"}"), "4000");
    EXPECT_EQ(read.of("done_total{name=\"odd\"}"), "4000");
    EXPECT_EQ(read.of("seconds_bucket{le=\"0.0025\"}"), "0");
    EXPECT_EQ(read.of("seconds_bucket{le=\"0.005\"}"), "8000");
    EXPECT_EQ(read.of("seconds_count"), "8000");
}

TEST(MetricsDeathTest, ADeclarationThatPrometheusWouldRefuseIsABug) {
    GTEST_FLAG_SET(death_test_style, "fast");
    Metrics metrics;
    metrics.gauge<0>("now", "Of now.", {});
    EXPECT_DEATH(metrics.gauge<0>("now", "Again.", {}), "two metrics");
    EXPECT_DEATH(metrics.gauge<0>("1st", "Help.", {}), "metric name");
    EXPECT_DEATH(metrics.gauge<0>("later", "", {}), "help");
    EXPECT_DEATH(metrics.counter<0>("done", "Help.", {}), "_total");
    EXPECT_DEATH(metrics.gauge<1>("later", "Help.", {"le"}), "label name");
    EXPECT_DEATH(metrics.gauge<2>("later", "Help.", {"one"}), "label name");  // the second is ""
    EXPECT_DEATH(metrics.gauge<2>("later", "Help.", {"one", "one"}), "label name");
    const double bounds[] = {1, 1};
    EXPECT_DEATH(metrics.histogram<0>("seconds", "Help.", {}, bounds), "increase");
}

}  // namespace
}  // namespace vouchsafe
