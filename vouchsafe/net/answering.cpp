#include "vouchsafe/net/answering.h"

#include "vouchsafe/base/log.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/net/pending.h"
#include "vouchsafe/net/request_id.h"

namespace vouchsafe::net {

namespace {

constexpr unsigned kReadsInARow = 16;  // then other connections come first

std::string encode(const Response& response, const ResponseForm& form) {
    Result<std::string> text = encode_response(response, form);
    if (text) return std::move(*text);
    log_event(LogLevel::error, "a response cannot be written", {{"reason", text.error().message}});
    return MUST(encode_response(
        error_response(500, code_info(Code::internal).azure_code, "The service failed."), form));
}

}  // namespace

bool is_outdated(const Listening& listening, Connection& connection) {
    std::lock_guard lock(connection.mutex);
    return connection.certificate && connection.asked != listening.asked;
}

Awaitable<bool> wait_for_request(Listening* listening, ConnectionPtr connection) {
    set_deadline(connection, listening->options.idle_timeout);
    // What has left the socket already may belong to it.
    if (!connection->input.empty()) co_return true;
    if (connection->tls && connection->tls->has_more()) co_return true;
    auto waiting = wait_for(connection, Io::wants_read);
    bool ready = co_await std::move(waiting);
    co_return ready;
}

Awaitable<std::optional<RequestParser::Progress>> read_request(Listening* listening,
                                                               ConnectionPtr connection,
                                                               RequestParser* parser) {
    using Progress = RequestParser::Progress;
    set_deadline(connection, listening->options.idle_timeout);
    for (unsigned reads = 1;; ++reads) {
        Progress progress = parser->feed(connection->input);
        if (progress == Progress::done || progress == Progress::refused) co_return progress;
        if (progress == Progress::wants_continue) {
            connection->output = kContinue;
            auto writing = write_output(connection);
            bool written = co_await std::move(writing);
            if (!written) co_return std::nullopt;
        }
        if (reads % kReadsInARow == 0) {
            auto letting = let_others_first(connection);
            bool ready = co_await std::move(letting);
            if (!ready) co_return std::nullopt;
        }
        auto reading = read_some(connection);
        bool more = co_await std::move(reading);
        if (!more) co_return std::nullopt;
    }
}

namespace {

// wait_for_turn is always true.
Awaitable<bool> wait_for_turn(Listening* listening, const ConnectionPtr& connection) {
    auto waiting = [listening, connection](Resume resume) {
        std::optional<Resume> now =
            listening->turns.wait(connection->intake->share, std::move(resume));
        if (now) (*now)(true);
    };
    return asio::async_initiate<const asio::use_awaitable_t<Executor>, void(bool)>(waiting,
                                                                                   kAwaitable);
}

// Turn is one that was taken. Whose turn comes next goes on, on this thread, when the connection
// that had it waits again.
struct Turn {
    ~Turn() {
        std::optional<Resume> next = listening.turns.give(intake.share);
        if (next) listening.crew.soon(std::move(*next));
    }
    Listening& listening;
    Intake& intake;
};

void use_turn(Listening& listening, Intake& intake, const std::function<void()>& work) {
    const Turn turn{listening, intake};
    const Crew::Handling handling(listening.crew);
    if (!intake.removed) work();
}

}  // namespace

Awaitable<bool> run_in_turn(Listening* listening, ConnectionPtr connection,
                            std::function<void()> work) {
    clear_deadline(*connection);
    Intake& intake = *connection->intake;
    if (!listening->turns.take(intake.share)) {
        auto waiting = wait_for_turn(listening, connection);
        co_await std::move(waiting);
    }
    use_turn(*listening, intake, work);
    co_return !intake.removed;
}

namespace {

// refusal_of is the answer to what never becomes a request, with ids as every answer has them, and
// a line in the log, for nobody behind this counts it.
Response refusal_of(const Listening& listening, const RequestParser& parser) {
    Response response = parser.refusal();
    identify(parser.headers(), crypto::time_ordered_uuid(), response);
    log_event(LogLevel::info, "request refused unread",
              {{"server", listening.options.name},
               {"request_id", response.headers.get("x-ms-request-id")},
               {"client_request_id", response.headers.get("x-ms-client-request-id")},
               {"status", response.status}});
    return response;
}

// forget_request frees what a request took: a string that is assigned to keeps its memory, and a
// connection may wait for long. What was read of the next request stays.
void forget_request(Connection& connection) {
    std::exchange(connection.request, {});
    std::exchange(connection.response, {});
    std::exchange(connection.output, {});
    if (connection.input.empty()) std::exchange(connection.input, {});
}

// wait_until_ready is always true.
Awaitable<bool> wait_until_ready(Listening* listening, const ConnectionPtr& connection) {
    auto waiting = [listening, connection](Resume resume) {
        // The coroutine may go on, and end, before this thread is back from here.
        const std::shared_ptr<Pending> pending = connection->response.pending;
        // What is called once moves it on; only what can be copied can be a std::function.
        auto kept = std::make_shared<Resume>(std::move(resume));
        const Crew::Handling handling(listening->crew, Crew::Handling::Posts::at_its_end);
        pending->begin([listening, kept] { listening->crew.post(std::move(*kept)); });
    };
    return asio::async_initiate<const asio::use_awaitable_t<Executor>, void(bool)>(waiting,
                                                                                   kAwaitable);
}

// await_answer has the connection's pending response followed by what it waited for. False as for
// run_in_turn.
Awaitable<bool> await_answer(Listening* listening, ConnectionPtr connection) {
    const auto pending = connection->response.pending;
    auto waiting = wait_until_ready(listening, connection);
    co_await std::move(waiting);
    std::optional<Response> answer =
        guarded(connection->request, [&pending] { return pending->finish(); });
    if (answer) {
        connection->response = std::move(*answer);
        co_return !connection->intake->removed;
    }
    auto running = run_in_turn(listening, connection, [connection, pending] {
        connection->response =
            guarded(connection->request, [&pending] { return pending->again(); });
    });
    bool ran = co_await std::move(running);
    co_return ran;
}

}  // namespace

Awaitable<bool> send_response(Listening* listening, ConnectionPtr connection, ResponseForm form) {
    connection->output = encode(connection->response, form);
    // Before it looks whether this stops: who stops looks at deadlines afterwards.
    set_deadline(connection, listening->options.idle_timeout);
    if (listening->stopping) set_deadline(connection, kStopTimeout);
    auto writing = write_output(connection);
    bool written = co_await std::move(writing);
    end_answer(*connection);
    forget_request(*connection);
    if (!written || listening->stopping) co_return false;
    if (form.keep_alive && is_outdated(*listening, *connection)) co_return false;
    if (!form.keep_alive) {
        auto ending = say_farewell(connection);
        co_await std::move(ending);
    }
    co_return form.keep_alive;
}

Awaitable<bool> answer(Listening* listening, ConnectionPtr connection, RequestParser* parser,
                       RequestParser::Progress progress, const Handler* handler) {
    if (!begin_answer(*connection)) co_return false;
    ResponseForm form;
    if (progress == RequestParser::Progress::refused) {
        form.keep_alive = false;
        connection->response = refusal_of(*listening, *parser);
    } else {
        connection->request = parser->take();
        connection->request.remote = connection->remote;
        connection->request.tls = connection->tls.has_value();
        connection->request.client_certificate = connection->certificate;
        connection->request.may_pend = listening->takes_pending;
        auto running = run_in_turn(listening, connection, [connection, handler] {
            connection->response = call_handler(*handler, connection->request);
        });
        bool ran = co_await std::move(running);
        if (!ran) co_return false;
        if (connection->response.pending) {
            auto awaiting = await_answer(listening, connection);
            bool there = co_await std::move(awaiting);
            if (!there) co_return false;
        }
        form.head = connection->request.method == "HEAD";
        form.http_1_0 = parser->http_1_0();
        form.keep_alive =
            parser->keep_alive() && !listening->stopping && !is_outdated(*listening, *connection);
    }
    auto sending = send_response(listening, connection, form);
    bool again = co_await std::move(sending);
    co_return again;
}

Awaitable<void> answer_all(Listening* listening, ConnectionPtr connection, WireLimits limits,
                           const Handler* handler) {
    for (;;) {
        auto waiting = wait_for_request(listening, connection);
        bool begun = co_await std::move(waiting);
        if (!begun) co_return;
        RequestParser parser(limits);
        auto reading = read_request(listening, connection, &parser);
        std::optional<RequestParser::Progress> progress = co_await std::move(reading);
        if (!progress) co_return;
        auto answering = answer(listening, connection, &parser, *progress, handler);
        bool again = co_await std::move(answering);
        if (!again) co_return;
    }
}

}  // namespace vouchsafe::net
