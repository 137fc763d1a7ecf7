// Generated from clients/js/src/deferred.ts by `make js`; not to be edited.
/** A promise that may fail without anybody listening: those who do not wait for it learn of it by other means. */
export class Deferred {
    resolve;
    reject;
    promise = new Promise((resolve, reject) => {
        this.resolve = resolve;
        this.reject = reject;
    });
    constructor() {
        this.promise.catch(() => { });
    }
}
