#include "state/kept_session.h"

#include <mutex>
#include <utility>

#include "base/error.h"
#include "database/session.h"

namespace deployer {

namespace {

constexpr Duration ping_patience = std::chrono::seconds(5);

}  // namespace

/// The session behind, one call at a time whatever thread it comes from.
class KeptSession::Shared : public database::Session {
 public:
  explicit Shared(std::unique_ptr<database::Session> behind) : behind_(std::move(behind)) {}

  database::Rows query(std::string_view sql, const database::Row& parameters, const Deadline& deadline) override {
    const Use use(*this);
    return behind_->query(sql, parameters, deadline);
  }
  std::vector<std::string> stream(std::string_view sql, const database::Row& parameters, const Deadline& deadline,
                                  const std::function<void(const database::Row&)>& on_row) override {
    const Use use(*this);
    return behind_->stream(sql, parameters, deadline, on_row);
  }
  std::int64_t execute(std::string_view sql, const database::Row& parameters, const Deadline& deadline) override {
    const Use use(*this);
    return behind_->execute(sql, parameters, deadline);
  }
  void begin(const Deadline& deadline) override {
    const Use use(*this);
    behind_->begin(deadline);
  }
  void commit(const Deadline& deadline) override {
    const Use use(*this);
    behind_->commit(deadline);
  }
  void rollback() override {
    const Use use(*this);
    behind_->rollback();
  }
  bool in_transaction() const override { return behind_->in_transaction(); }
  void interrupt() override { behind_->interrupt(); }
  const database::ServerInfo& server() const override { return behind_->server(); }
  const database::Dialect& dialect() const override { return behind_->dialect(); }
  const database::Url& url() const override { return behind_->url(); }

  void ping(Duration idle) {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock.owns_lock() || Deadline::Clock::now() - used_ < idle) return;
    used_ = Deadline::Clock::now();
    try {
      behind_->execute("DO 0", {}, Deadline::after(ping_patience));
    } catch (const Error&) {
      // The connection is gone, and with it what it held: the next statement says so.
    }
  }

 private:
  class Use {
   public:
    explicit Use(Shared& shared) : shared_(shared), lock_(shared.mutex_) {}
    ~Use() { shared_.used_ = Deadline::Clock::now(); }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    Shared& shared_;
    std::lock_guard<std::mutex> lock_;
  };

  std::unique_ptr<database::Session> behind_;
  std::mutex mutex_;
  Deadline::Clock::time_point used_ = Deadline::Clock::now();
};

KeptSession::KeptSession(std::unique_ptr<database::Session> session)
    : shared_(std::make_shared<Shared>(std::move(session))), session_(shared_) {}

KeptSession::~KeptSession() = default;

void KeptSession::keep_alive(Duration idle) { shared_->ping(idle); }

}  // namespace deployer
