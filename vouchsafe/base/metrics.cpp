#include "vouchsafe/base/metrics.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "vouchsafe/base/result.h"

namespace vouchsafe {

namespace {

bool is_name(std::string_view text, bool colons) {
    auto fits = [&](char c, bool first) {
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        return letter || (colons && c == ':') || (!first && c >= '0' && c <= '9');
    };
    if (text.empty()) return false;
    for (size_t i = 0; i < text.size(); ++i) {
        if (!fits(text[i], i == 0)) return false;
    }
    return true;
}

Result<void> check_declaration(std::string_view type, std::string_view name, std::string_view help,
                               std::span<const std::string_view> labels,
                               std::span<const double> bounds) {
    if (!is_name(name, true)) return fail(Code::internal, "bad metric name '{}'", name);
    if (help.empty()) return fail(Code::internal, "metric {} has no help", name);
    if (name.ends_with("_total") != (type == "counter")) {
        return fail(Code::internal, "counters end in _total, and no other metric does: {}", name);
    }
    for (size_t i = 0; i < labels.size(); ++i) {
        std::string_view label = labels[i];
        bool again = std::count(labels.begin(), labels.end(), label) > 1;
        if (!is_name(label, false) || label.starts_with("__") || label == "le" || again) {
            return fail(Code::internal, "bad label name '{}' of {}", label, name);
        }
    }
    for (size_t i = 0; i < bounds.size(); ++i) {
        if (!std::isfinite(bounds[i]) || (i > 0 && !(bounds[i] > bounds[i - 1]))) {
            return fail(Code::internal, "the bounds of {} do not increase", name);
        }
    }
    if (bounds.empty() == (type == "histogram")) {
        return fail(Code::internal, "histograms have bounds, and no other metric does: {}", name);
    }
    return {};
}

std::string cleaned(std::string_view value) {
    std::string out(value.substr(0, kMaxLabelSize));
    for (char& c : out) {
        if (c < 0x20 || c > 0x7e) c = '_';
    }
    return out;
}

std::string escaped(std::string_view text, bool quotes) {
    std::string out;
    for (char c : text) {
        if (c == '\\' || (quotes && c == '"')) out += '\\';
        if (c == '\n') {
            out += "\\n";
        } else {
            out += c;
        }
    }
    return out;
}

std::string number(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
    return fmt::format("{}", value);
}

// InOrder compares the values of two series, of which one may only be asked for.
struct InOrder {
    using is_transparent = void;
    bool operator()(const auto& a, const auto& b) const {
        return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end());
    }
};

}  // namespace

class MetricFamily {
  public:
    MetricFamily(std::string_view type, std::string_view name, std::string_view help,
                 std::span<const std::string_view> labels, std::span<const double> bounds)
        : type_(type),
          name_(name),
          help_(help),
          labels_(labels.begin(), labels.end()),
          bounds_(bounds.begin(), bounds.end()),
          seen_(labels.size()) {
        if (labels.empty()) series({});
    }

    const std::string& name() const { return name_; }

    void add(std::span<const std::string_view> values, double by) {
        std::lock_guard lock(mutex_);
        series(values).value += by;
    }
    void set(std::span<const std::string_view> values, double value) {
        std::lock_guard lock(mutex_);
        series(values).value = value;
    }
    void observe(std::span<const std::string_view> values, double value) {
        std::lock_guard lock(mutex_);
        Series& found = series(values);
        bool finite = std::isfinite(value);
        auto bound = finite ? std::lower_bound(bounds_.begin(), bounds_.end(), value)
                            : bounds_.end();  // the first that is not smaller: le
        ++found.buckets[static_cast<size_t>(bound - bounds_.begin())];
        if (finite) found.value += value;
    }

    void write(std::string& out) const {
        out +=
            fmt::format("# HELP {} {}\n# TYPE {} {}\n", name_, escaped(help_, false), name_, type_);
        std::lock_guard lock(mutex_);
        for (const auto& [values, one] : series_) {
            if (bounds_.empty()) {
                write_sample(out, "", values, "", number(one.value));
            } else {
                write_buckets(out, values, one);
            }
        }
    }

  private:
    // A counter's value is a whole number and exact up to 2^53: centuries of requests.
    struct Series {
        double value = 0;               // of a histogram: the sum
        std::vector<uint64_t> buckets;  // not cumulative; the last is above all bounds
    };

    // series finds or makes the series of these values; with mutex_ held.
    Series& series(std::span<const std::string_view> values) {
        // What is there was cleaned and had its place.
        if (auto found = series_.find(values); found != series_.end()) return found->second;
        std::vector<std::string> key;
        for (size_t i = 0; i < labels_.size(); ++i) {
            std::string value = cleaned(values[i]);
            std::set<std::string>& seen = seen_[i];
            bool known = seen.contains(value) || value == kOtherLabel;
            if (!known && seen.size() == kMaxLabelValues) value = kOtherLabel;
            key.push_back(std::move(value));
        }
        if (!series_.contains(key) && series_.size() >= kMaxSeries) {
            key.assign(labels_.size(), std::string(kOtherLabel));
        }
        for (size_t i = 0; i < key.size(); ++i) {
            if (key[i] != kOtherLabel) seen_[i].insert(key[i]);
        }
        Series& out = series_[std::move(key)];
        if (out.buckets.empty() && !bounds_.empty()) out.buckets.resize(bounds_.size() + 1);
        return out;
    }

    void write_sample(std::string& out, std::string_view suffix,
                      const std::vector<std::string>& values, std::string_view le,
                      std::string_view value) const {
        std::string pairs;
        auto add_pair = [&](std::string_view label, std::string_view text) {
            pairs +=
                fmt::format("{}{}=\"{}\"", pairs.empty() ? "" : ",", label, escaped(text, true));
        };
        for (size_t i = 0; i < labels_.size(); ++i) add_pair(labels_[i], values[i]);
        if (!le.empty()) add_pair("le", le);
        if (!pairs.empty()) pairs = "{" + pairs + "}";
        out += fmt::format("{}{}{} {}\n", name_, suffix, pairs, value);
    }

    void write_buckets(std::string& out, const std::vector<std::string>& values,
                       const Series& one) const {
        uint64_t count = 0;
        for (size_t i = 0; i < one.buckets.size(); ++i) {
            count += one.buckets[i];
            std::string le = i < bounds_.size() ? number(bounds_[i]) : "+Inf";
            write_sample(out, "_bucket", values, le, fmt::format("{}", count));
        }
        write_sample(out, "_sum", values, "", number(one.value));
        write_sample(out, "_count", values, "", fmt::format("{}", count));
    }

    const std::string type_;
    const std::string name_;
    const std::string help_;
    const std::vector<std::string> labels_;
    const std::vector<double> bounds_;
    mutable std::mutex mutex_;                 // holds what follows
    std::vector<std::set<std::string>> seen_;  // values of each label
    std::map<std::vector<std::string>, Series, InOrder> series_;
};

namespace detail {

void add_to_metric(MetricFamily& family, std::span<const std::string_view> values, double by) {
    family.add(values, by);
}
void set_metric(MetricFamily& family, std::span<const std::string_view> values, double value) {
    family.set(values, value);
}
void observe_metric(MetricFamily& family, std::span<const std::string_view> values, double value) {
    family.observe(values, value);
}

}  // namespace detail

Metrics::Metrics() = default;
Metrics::~Metrics() = default;

MetricFamily& Metrics::declare(std::string_view type, std::string_view name, std::string_view help,
                               std::span<const std::string_view> labels,
                               std::span<const double> bounds) {
    MUST(check_declaration(type, name, help, labels, bounds));
    std::lock_guard lock(mutex_);
    auto made = std::make_unique<MetricFamily>(type, name, help, labels, bounds);
    MUST([&]() -> Result<void> {
        for (const auto& family : families_) {
            if (family->name() == name) return fail(Code::internal, "two metrics {}", name);
        }
        return {};
    }());
    families_.push_back(std::move(made));
    return *families_.back();
}

std::string Metrics::text() const {
    std::lock_guard lock(mutex_);
    std::string out;
    for (const auto& family : families_) family->write(out);
    return out;
}

}  // namespace vouchsafe
