// SPDX-License-Identifier: Apache-2.0

public import Credentials
import Foundation
public import JobQueue
import Model
public import SyncStore

/// What operators do, by the API or on a page. Refusals are problems for who asked.
public struct Operations: Sendable {
    private let integrations: IntegrationStore
    private let queue: JobQueue
    private let disconnection: Disconnection
    private let watches: WatchEnding
    private let sweeps: SweepDecisions
    private let directory: ServiceDirectory

    /// What operators need.
    public init(
        integrations: IntegrationStore, queue: JobQueue, disconnection: Disconnection,
        watches: WatchEnding, sweeps: SweepDecisions, directory: ServiceDirectory
    ) {
        self.integrations = integrations
        self.queue = queue
        self.disconnection = disconnection
        self.watches = watches
        self.sweeps = sweeps
        self.directory = directory
    }

    /// Enqueues a sync before all others that wait, and returns the job's id. `more` are further members of the payload.
    func sync(_ id: Int64, type: String, more: [(String, JSON)] = []) async throws -> String {
        let found = try await find(id)
        guard found.status == "active" else {
            throw Problem(
                409, "not_active", "Integration \(id) is \(found.status); only an active one is synced.")
        }
        let payload = JSON.object([("integration_id", .integer(id)), ("type", .string(type))] + more)
        do throws(QueueError) {
            return try await queue.enqueue([payload.bytes], in: .high).first ?? ""
        } catch {
            if case .invalidPayload(let problem) = error.code {
                throw Problem(422, problem.code.rawValue, "\(problem)")
            }
            throw error
        }
    }

    /// Starts no more syncs of an integration, or starts them again.
    func move(_ id: Int64, to status: String, from allowed: [String]) async throws {
        let found = try await find(id)
        let moved = try await integrations.setStatus(of: id, to: status, from: allowed)
        guard moved || found.status == status else {
            throw Problem(
                409, "wrong_status",
                "Integration \(id) is \(found.status); only \(allowed.joined(separator: " or ")) can become \(status)."
            )
        }
    }

    /// The configuration of an account that was connected before, a JSON object; `{}` for a new one.
    func configuration(of key: IntegrationKey) async throws -> String {
        guard let found = try await integrations.find(.key(key)) else { return "{}" }
        return try await integrations.configuration(of: found.id) ?? "{}"
    }

    /// The configuration of an integration, a JSON object.
    func configuration(of id: Int64) async throws -> String {
        guard let text = try await integrations.configuration(of: id) else {
            throw Self.unknownIntegration(id)
        }
        return text
    }

    /// Ends an account's watches, gives its tokens back and deletes its credential. Its records stay.
    func disconnect(
        _ id: Int64, force: Bool
    ) async throws -> (tokens: Disconnection.Revocation, watches: WatchEnding.Outcome) {
        let found = try await find(id)
        let connector = directory.connector(found.key.service)
        var ended = WatchEnding.Outcome()
        if let connector {
            ended = await watches.run(
                id, connector: connector, baseURL: directory.baseURL(of: found.key.service))
        }
        let tokens = try await disconnection.run(
            id, profile: connector.flatMap { directory.profile(of: $0) },
            client: directory.application(found.key.service), force: force)
        return (tokens, ended)
    }

    /// Makes a dead letter's job ready again.
    func replay(_ id: String) async throws {
        guard let letter = try await queue.deadLetter(id: id), try await queue.replay(letter) else {
            throw Problem(404, "unknown_dead_letter", "There is no dead letter with this id.")
        }
    }

    /// Sweeps that wait for a decision, after an id.
    func heldSweeps(after id: Int64, limit: Int) async throws -> [HeldSweep] {
        try await sweeps.held(after: id, limit: limit)
    }

    /// Deletes what a held sweep marked, or rejects it. Returns how many records were deleted.
    func decide(_ sweep: Int64, approve: Bool) async throws -> Int64 {
        switch try await sweeps.decide(sweep, approve: approve) {
        case .decided(let deleted): return deleted
        case .unknown: throw Problem(404, "unknown_sweep", "There is no sweep \(sweep).")
        case .notHeld(let status):
            throw Problem(409, "not_held", "Sweep \(sweep) is not held, but \(status).")
        }
    }

    private func find(_ id: Int64) async throws -> (id: Int64, key: IntegrationKey, status: String) {
        guard let found = try await integrations.find(.id(id)) else { throw Self.unknownIntegration(id) }
        return found
    }

    static func unknownRun(_ id: Int64) -> Problem {
        Problem(404, "unknown_run", "There is no run \(id).")
    }

    static func unknownAction(_ id: Int64) -> Problem {
        Problem(404, "unknown_action", "There is no action \(id).")
    }

    static func unknownIntegration(_ id: Int64) -> Problem {
        Problem(404, "unknown_integration", "There is no integration \(id).")
    }
}

extension Problem {
    /// A failure of what the gateway uses, in words for who asked; nil for what nobody expected.
    init?(_ error: any Error) {
        switch error {
        case let error as Problem: self = error
        case let error as StoreError where [.unavailable, .contended, .timedOut].contains(error.code):
            self.init(
                503, "ledger_unavailable", "The database cannot be reached or is busy. Try again.",
                headers: [("Retry-After", "5")])
        case is QueueError:
            self.init(
                503, "queue_unavailable", "The queue cannot be reached or is full. Try again.",
                headers: [("Retry-After", "5")])
        case let error as CredentialError where error.code == .unavailable:
            self.init(
                503, "unavailable", "That did not work just now. Try again.", headers: [("Retry-After", "5")])
        default: return nil
        }
    }
}
