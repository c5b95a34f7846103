// Asio's own code, compiled once (BOOST_ASIO_SEPARATE_COMPILATION). Boost 1.74 and GCC 12 need
// <utility> before the first Asio header.
#include <utility>

#include <boost/asio/impl/src.hpp>
