// SPDX-License-Identifier: Apache-2.0

import Foundation
import Model
import TestSupport

/// A provider whose refresh tokens are used once. A token that comes a second time revokes all that came from it.
final class TokenProvider: Sendable {
    /// What happens at the next requests.
    struct Behaviour: Sendable {
        /// The last refresh token may be used again, and gives the same answer: the grace that some providers have.
        var hasGrace = false
        /// Seconds; nil leaves the member out.
        var expiresIn: Int? = 3_600
        /// Answers in place of the usual one, each once.
        var answers: [(status: String, body: String)] = []
        /// Whether the answer has a refresh token.
        var rotates = true
        /// Run before a request is answered.
        var beforeAnswer: @Sendable () -> Void = {}
        /// Whether the answer is lost on the way after the provider has acted.
        var losesAnswer = false
    }

    private struct State {
        var behaviour: Behaviour
        var current: String? = "rt-1"
        var used: Set<String> = []
        var issued = 1
        var requests = 0
        var refusals = 0
        var revoked: [String] = []
        var lastAnswer = ""
    }

    private let state: LockedBox<State>
    private let server: ScriptedServer

    init(_ behaviour: Behaviour = Behaviour()) throws {
        let state = LockedBox(State(behaviour: behaviour))
        self.state = state
        server = try ScriptedServer { request in Self.answer(request, state) }
    }

    var origin: String { server.origin }
    var tokenRequests: Int { state.withLock { $0.requests } }
    /// How often the answer was `invalid_grant`.
    var refusals: Int { state.withLock { $0.refusals } }
    var revokedTokens: [String] { state.withLock { $0.revoked } }
    var requests: [ScriptedServer.Request] { server.log.requests }
    /// The refresh token that the provider would take next; nil when the family is revoked.
    var current: String? { state.withLock { $0.current } }

    func change(_ body: @Sendable (inout Behaviour) -> Void) {
        state.withLock { body(&$0.behaviour) }
    }

    static func form(_ request: ScriptedServer.Request) -> [String: String] {
        var fields: [String: String] = [:]
        for pair in String(decoding: request.body, as: UTF8.self).split(separator: "&") {
            let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            fields[String(halves[0])] = halves.count > 1 ? halves[1].removingPercentEncoding ?? "" : ""
        }
        return fields
    }

    private static func answer(
        _ request: ScriptedServer.Request, _ state: LockedBox<State>
    ) -> [ScriptedServer.Step] {
        let form = form(request)
        if request.target == "/revoke" {
            state.withLock { $0.revoked.append(form["token"] ?? "") }
            return next(state) ?? [.reply()]
        }
        let before = state.withLock { state in
            state.requests += 1
            return state.behaviour.beforeAnswer
        }
        before()
        if let scripted = next(state) { return scripted }
        let (isGranted, body, isLost) = state.withLock { state -> (Bool, String, Bool) in
            let isGranted = grant(form, &state)
            if !isGranted { state.refusals += 1 }
            return (isGranted, state.lastAnswer, state.behaviour.losesAnswer)
        }
        if isLost { return [.reset] }
        guard isGranted else {
            return [.reply("400 Bad Request", body: Array(#"{"error":"invalid_grant"}"#.utf8))]
        }
        return [.reply(body: Array(body.utf8))]
    }

    private static func next(_ state: LockedBox<State>) -> [ScriptedServer.Step]? {
        state.withLock { state -> [ScriptedServer.Step]? in
            guard !state.behaviour.answers.isEmpty else { return nil }
            let answer = state.behaviour.answers.removeFirst()
            return [.reply(answer.status, body: Array(answer.body.utf8))]
        }
    }

    private static func grant(_ form: [String: String], _ state: inout State) -> Bool {
        guard form["grant_type"] == "refresh_token" else {
            issue(&state)
            return true
        }
        guard let token = form["refresh_token"], let current = state.current else { return false }
        if token == current {
            state.used.insert(token)
            issue(&state)
            return true
        }
        if state.behaviour.hasGrace, state.used.contains(token), token == "rt-\(state.issued - 1)" {
            return true
        }
        state.current = nil
        return false
    }

    private static func issue(_ state: inout State) {
        state.issued += 1
        if state.behaviour.rotates { state.current = "rt-\(state.issued)" }
        let expiry = state.behaviour.expiresIn.map { #","expires_in":\#($0)"# } ?? ""
        let refresh = state.behaviour.rotates ? #","refresh_token":"rt-\#(state.issued)""# : ""
        state.lastAnswer =
            #"{"access_token":"at-\#(state.issued)","token_type":"Bearer"\#(expiry)\#(refresh)}"#
    }
}
