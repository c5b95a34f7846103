// As pch.h, for tests.
#pragma once

#include <gtest/gtest.h>

#include "cmake/pch.h"
