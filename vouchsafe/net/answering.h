// How a request is taken from a connection of a listening, answered by a handler, and the answer
// sent. Private to net/.
#pragma once

#include "vouchsafe/net/call_handler.h"
#include "vouchsafe/net/listening.h"
#include "vouchsafe/net/wire.h"

namespace vouchsafe::net {

// is_outdated tells whether the client's certificate was believed under rules that are no more.
bool is_outdated(const Listening& listening, Connection& connection);

// wait_for_request waits for the first byte of a request, for as long as the idle timeout. False:
// the connection is over.
Awaitable<bool> wait_for_request(Listening* listening, ConnectionPtr connection);

// read_request returns how far the parser came; nullopt: the connection is over. The idle timeout
// counts anew for the whole request.
Awaitable<std::optional<RequestParser::Progress>> read_request(Listening* listening,
                                                               ConnectionPtr connection,
                                                               RequestParser* parser);

// run_in_turn does `work` when it is the connection's turn. On a thread of the crew. False: the
// intake of the connection was removed, before or after.
Awaitable<bool> run_in_turn(Listening* listening, ConnectionPtr connection,
                            std::function<void()> work);

// send_response sends the connection's `response` and forgets it and its request. False: no further
// request on this connection.
Awaitable<bool> send_response(Listening* listening, ConnectionPtr connection, ResponseForm form);

// answer has `handler` answer the request that was read, or sends the parser's refusal. False: no
// further request on this connection.
Awaitable<bool> answer(Listening* listening, ConnectionPtr connection, RequestParser* parser,
                       RequestParser::Progress progress, const Handler* handler);

// answer_all takes requests from a connection and has `handler` answer them until it is over.
Awaitable<void> answer_all(Listening* listening, ConnectionPtr connection, WireLimits limits,
                           const Handler* handler);

}  // namespace vouchsafe::net
