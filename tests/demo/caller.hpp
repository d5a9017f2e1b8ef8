// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/demo/operation.hpp"

#include <string>

namespace demo {

/// How one call ended.
struct CallOutcome {
  bool ok = false;
  double value = 0;  ///< if ok
  std::string pod;   ///< that answered, from `x-pod`; empty if no pod did
  std::string
      status;  ///< if not ok: a gRPC code's name, an HTTP status, or what the transport said
  std::string message;  ///< if not ok
};

/// Makes calls of the calculator, over one protocol.
class Caller {
 public:
  virtual CallOutcome call(Operation operation, Operands operands) = 0;
  virtual ~Caller() = default;
};

/// Where an operation is called, and by what name.
struct CallTarget {
  std::string address;    ///< ADDR:PORT
  std::string authority;  ///< `:authority`, `Host`
};

}  // namespace demo
