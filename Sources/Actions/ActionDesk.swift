// SPDX-License-Identifier: Apache-2.0

public import ConnectorKit
import Cryptography
public import JobQueue
public import Model
public import SyncStore

/// An action that will be done.
public struct AcceptedAction: Sendable, Equatable {
    /// The action's row.
    public let id: Int64
    /// False when an equal wish with the same key was accepted before.
    public let isNew: Bool
    /// The action's status by now.
    public let status: String
    /// The key that tells the wish from others.
    public let idempotencyKey: String
    /// Why its job could not be enqueued now; a scheduler does it then. Nil when nothing went wrong.
    public let queueProblem: String?
}

/// Why a wish was not accepted. Nothing was stored.
public struct ActionRefusal: Error, Sendable {
    /// What is wrong, for programs.
    public enum Code: Sendable, Equatable {
        /// There is no such integration.
        case unknownIntegration
        /// The integration has this status, and takes no actions.
        case inactive(status: String)
        /// Its service has no such action.
        case unknownAction
        /// The input is not what the action takes.
        case invalidInput([ActionProblem])
        /// The key is empty, too long or has a control character.
        case invalidKey
        /// Another wish, by the number of its row, has the key.
        case keyInUse(by: Int64)
        /// The ledger failed.
        case ledger(StoreError)
    }

    /// What is wrong, for programs.
    public let code: Code
    /// What is wrong and what is allowed, for whoever wished it.
    public let message: String
}

/// Accepts actions: checks the input, makes the row, enqueues the job. Once the row is there the action will be done, even
/// when Redis is lost.
public struct ActionDesk: Sendable {
    /// A larger input is refused.
    public static let maximumInputBytes = 256 * 1_024
    /// The longest key in bytes.
    public static let maximumKeyBytes = 255

    private let store: ActionStore
    private let integrations: IntegrationStore
    private let queue: JobQueue
    private let connector: @Sendable (String) -> (any Connector)?

    /// A desk for the services whose connectors `connector` finds.
    public init(
        store: ActionStore, integrations: IntegrationStore, queue: JobQueue,
        connector: @escaping @Sendable (String) -> (any Connector)?
    ) {
        self.store = store
        self.integrations = integrations
        self.queue = queue
        self.connector = connector
    }

    /// Accepts an action for an integration. `input` is the text of a JSON object. Without a key each wish is one of its own;
    /// with one, an equal wish gives the row that is there, whatever has become of the integration since.
    public func request(
        _ name: String, input: [UInt8], for reference: IntegrationReference, idempotencyKey: String? = nil
    ) async throws(ActionRefusal) -> AcceptedAction {
        let integration = try await find(reference)
        let checked = try check(name, input, of: integration.key.service)
        let key = try Self.key(idempotencyKey)
        let acceptance: ActionAcceptance?
        do throws(StoreError) {
            acceptance =
                integration.status == "active"
                ? try await store.request(name, input: checked, key: key, for: integration.id)
                : try await store.repeated(name, input: checked, key: key, for: integration.id)
        } catch {
            throw Self.refusal(error)
        }
        switch acceptance {
        case nil:
            throw ActionRefusal(
                code: .inactive(status: integration.status),
                message: "integration \(integration.id) (\(integration.key)) is \(integration.status)")
        case .unknownIntegration: throw Self.unknown(reference)
        case .keyInUse(let other):
            throw ActionRefusal(
                code: .keyInUse(by: other),
                message: "the idempotency key '\(key)' belongs to action \(other), which has another name, "
                    + "input or integration; give each wish its own key")
        case .accepted(let id, let isNew, let status):
            let problem = isNew ? await enqueue(id, of: integration.id) : nil
            return AcceptedAction(
                id: id, isNew: isNew, status: status, idempotencyKey: key, queueProblem: problem)
        }
    }

    private func find(
        _ reference: IntegrationReference
    ) async throws(ActionRefusal) -> (id: Int64, key: IntegrationKey, status: String) {
        do throws(StoreError) {
            if let found = try await integrations.find(reference) { return found }
        } catch {
            throw ActionRefusal(code: .ledger(error), message: error.message)
        }
        throw Self.unknown(reference)
    }

    /// The input as it is stored.
    private func check(
        _ name: String, _ input: [UInt8], of service: String
    ) throws(ActionRefusal) -> [UInt8] {
        guard let connector = connector(service),
            connector.actions.contains(where: { $0.name == name })
        else {
            let known = connector(service)?.actions.map(\.name) ?? []
            throw ActionRefusal(
                code: .unknownAction,
                message: "\(service) has no action '\(name)'; "
                    + (known.isEmpty ? "it has none" : "it has: \(known.joined(separator: ", "))"))
        }
        guard input.count <= Self.maximumInputBytes else {
            throw Self.refusal([
                ActionProblem(
                    "input", "has \(input.count) bytes; at most \(Self.maximumInputBytes) are allowed")
            ])
        }
        let tree: JSONTree
        do throws(JSONProblem) {
            tree = try JSONTree(strict: input, subject: "the input")
        } catch {
            throw Self.refusal([ActionProblem("input", "\(error.reason), at byte \(error.offset)")])
        }
        let problems = connector.check(tree, of: name)
        guard problems.isEmpty else { throw Self.refusal(problems) }
        return input
    }

    private static func key(_ given: String?) throws(ActionRefusal) -> String {
        if let given {
            guard (1...maximumKeyBytes).contains(given.utf8.count),
                !given.unicodeScalars.contains(where: { $0.properties.generalCategory == .control })
            else {
                throw ActionRefusal(
                    code: .invalidKey,
                    message: "the idempotency key has to have 1 to \(maximumKeyBytes) bytes, and no control "
                        + "characters")
            }
            return given
        }
        do throws(CryptoError) {
            return "auto-\(Hex.encode(try SecureRandom.bytes(16)))"
        } catch {
            throw ActionRefusal(
                code: .ledger(StoreError(.unavailable, error.message)), message: error.message)
        }
    }

    /// What keeps the job from being enqueued; nil when it is.
    private func enqueue(_ id: Int64, of integrationID: Int64) async -> String? {
        do throws(QueueError) {
            try await queue.enqueue(
                [ActionJob.payload(action: id, of: integrationID)], in: ActionJob.queue)
            return nil
        } catch {
            return error.message
        }
    }

    private static func unknown(_ reference: IntegrationReference) -> ActionRefusal {
        let name =
            switch reference {
            case .id(let id): "with id \(id)"
            case .key(let key): "\(key)"
            }
        return ActionRefusal(code: .unknownIntegration, message: "there is no integration \(name)")
    }

    private static func refusal(_ problems: [ActionProblem]) -> ActionRefusal {
        ActionRefusal(
            code: .invalidInput(problems), message: problems.map(\.description).joined(separator: "\n"))
    }

    /// A value that Postgres cannot hold, such as a number out of its range, is the input's fault.
    private static func refusal(_ error: StoreError) -> ActionRefusal {
        if case .badData = error.code {
            return refusal([ActionProblem("input", "has a value that cannot be stored: \(error.message)")])
        }
        return ActionRefusal(code: .ledger(error), message: error.message)
    }
}
