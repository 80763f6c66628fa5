// SPDX-License-Identifier: Apache-2.0

import PostgresClient

extension SyncStore {
    /// For so long the end of a transaction is waited for whose connection was lost: Postgres ends one that is idle after 10 s.
    private static let outcomeLimit: Duration = .seconds(15)
    private static let outcomePause: Duration = .milliseconds(50)

    /// Whether a transaction took effect whose COMMIT had no answer, by its number; waits until it has ended. Throws
    /// `commitUnknown` when nobody can tell.
    func tookEffect(transaction: String) async throws(StoreError) -> Bool {
        let limit = ContinuousClock.now.advanced(by: Self.outcomeLimit)
        while true {
            var reason = "it has not ended"
            do throws(StoreError) {
                switch try await query(StoreSQL.transactionOutcome, [.text(transaction)]).text(0, 0) {
                case "committed":
                    resolvedCommit(true)
                    return true
                case "aborted":
                    resolvedCommit(false)
                    return false
                case "in progress": break
                default: throw StoreError(.unexpectedReply, "Postgres does not know it any more")
                }
            } catch {
                guard error.code == .unavailable || error.code == .timedOut else {
                    throw Self.unknown(transaction, error.message)
                }
                reason = error.message
            }
            guard ContinuousClock.now < limit else { throw Self.unknown(transaction, reason) }
            do { try await ContinuousClock().sleep(for: Self.outcomePause) } catch {
                throw Self.unknown(transaction, "the wait for its end was cancelled")
            }
        }
    }

    private static func unknown(_ transaction: String, _ reason: String) -> StoreError {
        StoreError(
            .commitUnknown,
            "the connection was lost during the COMMIT of transaction \(transaction), whose outcome is unknown: \(reason)"
        )
    }
}
