#pragma once

#include <string>

#include "support/folder.h"

namespace deployer::test {

/// A web server of Python's that serves a folder on 127.0.0.1, as long as the object lives. It may take a moment until
/// it answers.
class HttpService {
 public:
  HttpService(const Folder& folder, int port);
  ~HttpService();
  HttpService(const HttpService&) = delete;
  HttpService& operator=(const HttpService&) = delete;

  std::string address() const;
  std::string url(const std::string& path) const;

 private:
  int port_;
  int pid_;
};

}  // namespace deployer::test
