package segment

import (
	"sync"
	"time"
)

// retryAfter is how long a fault is waited out.
const retryAfter = 10 * time.Second

// background does work on a goroutine of its own, whenever it is woken, until it is ended.
type background struct {
	work chan struct{} // capacity 1: there may be something to do
	stop chan struct{}
	done sync.WaitGroup
}

func newBackground() background {
	return background{work: make(chan struct{}, 1), stop: make(chan struct{})}
}

// start begins to do what there is to do. What fails is told to fault, and tried again later.
func (b *background) start(do func() error, fault func(error)) {
	b.done.Go(func() { b.run(do, fault) })
}

func (b *background) end() {
	close(b.stop)
	b.done.Wait()
}

func (b *background) ended() bool {
	select {
	case <-b.stop:
		return true
	default:
		return false
	}
}

func (b *background) wake() {
	select {
	case b.work <- struct{}{}:
	default:
	}
}

func (b *background) run(do func() error, fault func(error)) {
	for {
		select {
		case <-b.stop:
			return
		case <-b.work:
		}
		if err := do(); err != nil {
			fault(err)
			select {
			case <-b.stop:
				return
			case <-time.After(retryAfter):
				b.wake()
			}
		}
	}
}
