// SPDX-License-Identifier: Apache-2.0

public import Model

/// One attempt of a job that asks to start.
public struct RunRequest: Sendable {
    /// The job whose attempt this run is.
    public let jobID: String
    /// Counts the claims of the job, from 1.
    public let attempt: Int
    /// The worker's id, for people who read the log.
    public let worker: String
    /// What the job asked for.
    public let type: JobType
    /// When the job was enqueued, by the clock of Redis; nil when that is not known.
    public let enqueuedAt: Timestamp?
    /// The integration to sync, by id or by name.
    public let integration: IntegrationReference

    /// A request to begin a run; nothing is written yet.
    public init(
        jobID: String, attempt: Int, worker: String, type: JobType, enqueuedAt: Timestamp?,
        integration: IntegrationReference
    ) {
        self.jobID = jobID
        self.attempt = attempt
        self.worker = worker
        self.type = type
        self.enqueuedAt = enqueuedAt
        self.integration = integration
    }
}

/// What became of a request to start.
public enum RunStart: Sendable {
    case opened(OpenRun)
    /// No such integration; nothing was changed.
    case unknownIntegration
    /// The integration is paused, disconnected or waits for its user; nothing was changed.
    case inactive(status: String)
}

/// A run that holds its integration's fence, until a newer run takes it.
public struct OpenRun: Sendable {
    /// The row of the integration.
    public let integrationID: Int64
    /// Its names.
    public let key: IntegrationKey
    /// The members of the integration's `config`: text as it is, other values as their JSON.
    public let configuration: [String: String]
    /// The number that commits of this run have to carry; a later run has a greater one.
    public let fence: Int64
    /// The `sync_log` row.
    public let syncID: Int64
    /// What proves to the provider who asks; nil when none is stored.
    public let credential: StoredCredential?
    /// The states of whole streams; those of child slices are loaded as they are reached.
    public let slices: [SliceState]
}

/// A credential as it is stored: ciphertext.
public struct StoredCredential: Sendable {
    /// The kind of secret, such as `static`.
    public let kind: String
    /// Counts up with each new secret; part of what is authenticated.
    public let version: Int64
    /// The sealed secret, as the vault made it.
    public let ciphertext: [UInt8]
}

/// A row of `sync_state`.
public struct SliceState: Sendable, Equatable {
    /// What the slice is in the middle of.
    public enum Phase: String, Sendable {
        case idle
        case full
        case incremental
        /// Read to its end; the absences of this generation wait to be settled.
        case sweep
    }

    /// A cursor as stored: its text, and what it is compared by.
    public struct StoredCursor: Sendable, Equatable {
        /// The cursor as the provider understands it.
        public var text: String
        /// What cursors are compared by; nil when only the provider can.
        public var order: Int64?

        /// A cursor to be stored with a slice.
        public init(text: String, order: Int64?) {
            self.text = text
            self.order = order
        }
    }

    /// The stream of the slice.
    public let stream: String
    /// The parent's external id; empty for a whole stream.
    public let partition: String
    /// The cursor that the next incremental run starts from.
    public var cursor: StoredCursor?
    /// The cursor that becomes valid when this enumeration ends.
    public var pending: StoredCursor?
    /// Where the slice is in a full sync.
    public var phase: Phase = .idle
    /// Counts up with each full enumeration; records carry the one that saw them last.
    public var generation: Int64 = 0
    /// Where an interrupted enumeration goes on; nil for the start.
    public var position: String?
    /// The number of the last page that was committed.
    public var page: Int64 = 0
    /// An earlier run of the job at hand has read the whole stream, after the job was enqueued.
    public var isReadByThisJob = false

    /// The state of a slice that was never read.
    public init(stream: String, partition: String) {
        self.stream = stream
        self.partition = partition
    }
}

/// How a run ends.
public struct RunEnd: Sendable {
    /// The terminal values of `sync_log.status` that a run gives itself.
    public enum Status: String, Sendable {
        case succeeded
        case failed
        case yielded
        case cancelled
    }

    /// How the run ended.
    public let status: Status
    /// A word for programs when it did not succeed.
    public let errorCode: String?
    /// For the user. With a `wait`, "in a while" stands for the time when the job continues.
    public let errorMessage: String?
    /// For the operator.
    public let errorDetail: String?
    /// How long until the job continues; nil when it does not, or nobody knows.
    public let wait: Duration?
    /// The response that is to blame; nil for none.
    public let response: KeptResponse?

    /// The end of a run, as its log row tells it.
    public init(
        _ status: Status, errorCode: String? = nil, errorMessage: String? = nil, errorDetail: String? = nil,
        wait: Duration? = nil, response: KeptResponse? = nil
    ) {
        self.response = response
        self.wait = wait
        self.status = status
        self.errorCode = errorCode
        self.errorMessage = errorMessage
        self.errorDetail = errorDetail
    }
}

/// A provider's response that ended a run, as far as it is kept: bounded and without secrets.
public struct KeptResponse: Sendable, Equatable {
    /// The HTTP status; nil when it is not known.
    public let status: Int?
    /// How long the body was.
    public let size: Int
    /// Its beginning.
    public let body: [UInt8]

    /// A response to be kept with its run.
    public init(status: Int?, size: Int, body: [UInt8]) {
        self.status = status
        self.size = size
        self.body = body
    }
}

/// What one slice has to save at a checkpoint.
public struct SliceUpdate: Sendable {
    /// The state that the slice has after the commit.
    public let state: SliceState
    /// What was counted since the last checkpoint; additions, updates and tombstones are counted by the store.
    public let counters: SyncCounters
    /// The terminal condition seen, when the enumeration has ended.
    public let endedBy: String?
    /// Whether the ended enumeration showed every object.
    public let isFull: Bool

    /// What one commit changes of a slice besides its records.
    public init(state: SliceState, counters: SyncCounters, endedBy: String?, isFull: Bool) {
        self.state = state
        self.counters = counters
        self.endedBy = endedBy
        self.isFull = isFull
    }
}
