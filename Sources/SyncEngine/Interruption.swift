// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import SyncStore

/// What ends a run before its streams are read.
enum Interruption: Error {
    case stopped(StopReason)
    case snoozed(Duration, RunFailure)
    case retry(RunFailure)
    case failed(RunFailure)
    /// `version` is that of the credential that was refused, when it is known.
    case reauthRequired(RunFailure, version: Int64?)

    /// The run's terminal log row.
    var end: RunEnd {
        switch self {
        case .stopped(.drain):
            RunEnd(
                .yielded, errorCode: "drained", errorMessage: "The sync continues in a moment.",
                errorDetail: "the worker shut down; the job went back to its queue")
        case .stopped(.yield):
            RunEnd(
                .yielded, errorCode: "yielded", errorMessage: "The sync continues in a moment.",
                errorDetail: "the run gave way to jobs that waited")
        case .snoozed(let wait, let failure):
            RunEnd(
                .yielded, errorCode: failure.code,
                errorMessage: failure.userMessage, errorDetail: failure.operatorDetail, wait: wait)
        case .retry(let failure), .failed(let failure), .reauthRequired(let failure, _):
            RunEnd(
                .failed, errorCode: failure.code, errorMessage: failure.userMessage,
                errorDetail: failure.operatorDetail,
                response: failure.evidence.map {
                    KeptResponse(status: $0.status, size: $0.size, body: $0.body)
                })
        }
    }

    func verdict(madeProgress: Bool) -> RunVerdict {
        switch self {
        case .stopped(let reason): .yielded(reason)
        case .snoozed(let wait, _): .snooze(wait)
        case .retry(let failure): .retry(failure, madeProgress: madeProgress)
        case .failed(let failure): .failed(failure)
        case .reauthRequired(let failure, _): .reauthRequired(failure)
        }
    }
}
