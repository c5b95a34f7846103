// Metrics: counters, gauges and histograms of one process, and how they are told to Prometheus.
//
//     Metrics metrics;
//     auto refusals = metrics.counter<2>("vouchsafe_refusals_total", "Requests refused.",
//                                        {"type", "code"});
//     refusals.add({"SevSnpVm", "SNP-POLICY-DEBUG"});
//     std::string text = metrics.text();
//
// What is shown is public to whoever may scrape: label values come from tables of this program
// (types, check codes, routes), never from a request. If one did after all, it could neither break
// the format nor fill the memory: values are cut to printable ASCII, and each label has a limited
// number of different ones.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vouchsafe {

inline constexpr size_t kMaxLabelSize = 96;     // characters of a label's value; the rest is cut
inline constexpr size_t kMaxLabelValues = 256;  // different values of one label
inline constexpr size_t kMaxSeries = 1024;      // different combinations of one metric
// What is over the limits is counted under this value: of one label, or of all.
inline constexpr std::string_view kOtherLabel = "other";

// Upper bounds in seconds for how long an answer took.
inline constexpr std::array<double, 13> kLatencyBounds = {
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};

// MetricFamily is one metric with all its series. Private to Counter, Gauge, Histogram, Metrics.
class MetricFamily;

// The handles below are copied freely and valid as long as their Metrics. Thread-safe. Values go in
// the order of the label names.
template <size_t N>
using LabelValues = std::array<std::string_view, N>;

namespace detail {
void add_to_metric(MetricFamily& family, std::span<const std::string_view> values, double by);
void set_metric(MetricFamily& family, std::span<const std::string_view> values, double value);
void observe_metric(MetricFamily& family, std::span<const std::string_view> values, double value);
}  // namespace detail

// Counter only grows.
template <size_t N>
class Counter {
  public:
    explicit Counter(MetricFamily& family) : family_(&family) {}
    void add(const LabelValues<N>& values) { detail::add_to_metric(*family_, values, 1); }

  private:
    MetricFamily* family_;
};

// Gauge is a value of now.
template <size_t N>
class Gauge {
  public:
    explicit Gauge(MetricFamily& family) : family_(&family) {}
    void set(const LabelValues<N>& values, double value) {
        detail::set_metric(*family_, values, value);
    }
    void add(const LabelValues<N>& values, double by) {
        detail::add_to_metric(*family_, values, by);
    }

  private:
    MetricFamily* family_;
};

// Histogram counts values by size. One that is NaN or infinite is counted above all bounds and left
// out of the sum, which would be lost for good otherwise.
template <size_t N>
class Histogram {
  public:
    explicit Histogram(MetricFamily& family) : family_(&family) {}
    void observe(const LabelValues<N>& values, double value) {
        detail::observe_metric(*family_, values, value);
    }

  private:
    MetricFamily* family_;
};

// Metrics owns what is declared with it. Thread-safe.
class Metrics {
  public:
    Metrics();
    ~Metrics();
    Metrics(const Metrics&) = delete;
    Metrics& operator=(const Metrics&) = delete;

    // Names are [a-zA-Z_:][a-zA-Z0-9_:]*, each once; a counter's ends in "_total" and no other's;
    // label names are [a-zA-Z_][a-zA-Z0-9_]*, different, without "__" in front, and not "le"
    // (Prometheus, "Metric and label naming"; "Exposition formats"). `bounds` are finite and
    // strictly increasing. Anything else is a bug and ends the process. A metric without labels is
    // shown from its declaration on, others from their first value.
    template <size_t N>
    Counter<N> counter(std::string_view name, std::string_view help, const LabelValues<N>& labels) {
        return Counter<N>(declare("counter", name, help, labels, {}));
    }
    template <size_t N>
    Gauge<N> gauge(std::string_view name, std::string_view help, const LabelValues<N>& labels) {
        return Gauge<N>(declare("gauge", name, help, labels, {}));
    }
    template <size_t N>
    Histogram<N> histogram(std::string_view name, std::string_view help,
                           const LabelValues<N>& labels, std::span<const double> bounds) {
        return Histogram<N>(declare("histogram", name, help, labels, bounds));
    }

    // text is everything in Prometheus' text format, version 0.0.4, in order of declaration. The
    // series of one metric are of one moment.
    std::string text() const;

  private:
    MetricFamily& declare(std::string_view type, std::string_view name, std::string_view help,
                          std::span<const std::string_view> labels, std::span<const double> bounds);

    mutable std::mutex mutex_;  // holds families_
    std::vector<std::unique_ptr<MetricFamily>> families_;
};

// The content type of Metrics::text().
inline constexpr std::string_view kMetricsType = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace vouchsafe
