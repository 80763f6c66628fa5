// SPDX-License-Identifier: Apache-2.0

public import ConnectorKit
import Cryptography
import JobQueue
public import Model
public import SyncStore

/// The job of an action.
public enum ActionJob {
    /// A person waits: actions go before everything that is done by the clock.
    public static let queue = Queue.high

    /// The payload. Each job of one action has the same id and the same bytes, so that the queue knows a second one.
    public static func payload(action id: Int64, of integrationID: Int64) -> [UInt8] {
        JobPayload(integration: .id(integrationID), type: .action, id: "action:\(id)", ref: id).encoded()
    }
}

extension ActionCall {
    /// The wish of an attempt. Throws `invalid_input` when the stored input cannot be read.
    public init(_ action: OpenAction) throws(ConnectorError) {
        do throws(JSONProblem) {
            self.init(
                name: action.name, input: try JSONTree(strict: action.input, subject: "the stored input"),
                key: Self.key(of: action.key.service, action.idempotencyKey))
        } catch {
            throw ConnectorError(
                .config, code: "invalid_input", userMessage: "This cannot be done.",
                operatorDetail: error.reason)
        }
    }

    /// What the provider knows the wish by: 64 hexadecimal digits. It does not depend on the row's number, which another
    /// installation with the same account may have given too.
    static func key(of service: String, _ idempotencyKey: String) -> String {
        Hex.encode(SHA256.digest(of: Array("lockstep action\n\(service)\n\(idempotencyKey)".utf8)))
    }
}
