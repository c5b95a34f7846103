// How the program speaks: colour only on a terminal, refusals with everything a person needs.
#pragma once

#include <string>
#include <string_view>

#include "app/context.h"

namespace vouchsafe::app {

enum class Style { plain, bold, dim, good, bad };
std::string styled(std::string_view text, Style style, bool color);

// printable makes text from outside fit for a terminal: control characters, and those that turn the
// direction of writing, appear as the numbers of their bytes, "\x1b".
std::string printable(std::string_view text);

// write_out and write_err write text as it is and flush; a closed pipe ends the program quietly.
void write_out(std::string_view text);
void write_err(std::string_view text);

// show_error prints an error to stderr: with --json as one object, else one line, and for a refusal
// the check's code, field, expected, found, rule and remedy.
void show_error(const Context& context, const Error& error);
Json error_to_json(const Error& error);
Json check_to_json(const Check& check);

// describe_refusal is the block of lines shown for a check that failed, each indented by `indent`.
std::string describe_refusal(const Check& check, std::string_view indent, bool color);

// show_checks prints the checks made, one a line.
std::string describe_checks(const std::vector<Check>& checks, std::string_view indent, bool color);

// wrapped breaks text at blanks into lines of at most 80 columns, each behind `indent`; a word that
// is longer stands on a line of its own, whole, so that it can be copied.
std::string wrapped(std::string_view text, std::string_view indent);

std::string human_size(uint64_t bytes);  // "23.3 KiB"
std::string human_time(double seconds);  // "12 ms", "1.4 s"

}  // namespace vouchsafe::app
