// A run captured into a CUDA graph gives what the run outside gives, and only launches.
#include "tests/gpu/gpu_problem.hpp"

namespace quern::gpu_test {
namespace {

using Graph = struct CUgraph_st *;
using GraphExec = struct CUgraphExec_st *;
using Context = struct CUctx_st *;

#define ASSERT_DRIVER(call) ASSERT_EQ(call, 0)

class Capture : public GpuProblem {};

TEST_F(Capture, ReplayEqualsTheRunOutside) {
  make(65, 2880, 2880);
  Context context = nullptr;
  ASSERT_DRIVER(driver<int (*)(Context *, int)>("cuDevicePrimaryCtxRetain")(&context, 0));
  ASSERT_DRIVER(driver<int (*)(Context)>("cuCtxSetCurrent")(context));
  quern_stream stream = nullptr;
  ASSERT_DRIVER(driver<int (*)(quern_stream *, unsigned)>("cuStreamCreate")(&stream, 1));
  for (const int64_t m : {1, 9, 17, 65}) {
    args_.m = m;
    y_bytes_ = static_cast<size_t>(m) * 2880 * 2;
    poison();
    QUERN_ASSERT_OK(quern_gemm_run(plan_, &args_, stream));
    QUERN_ASSERT_OK(quern_device_synchronize(device_, stream));
    const std::vector<uint8_t> outside = result();
    poison();

    Graph graph = nullptr;
    GraphExec executable = nullptr;
    ASSERT_DRIVER(driver<int (*)(quern_stream, int)>("cuStreamBeginCapture_v2")(stream, 1));  // thread-local mode
    QUERN_ASSERT_OK(quern_gemm_run(plan_, &args_, stream));
    ASSERT_DRIVER(driver<int (*)(quern_stream, Graph *)>("cuStreamEndCapture")(stream, &graph));
    size_t nodes = 0;
    ASSERT_DRIVER(driver<int (*)(Graph, void **, size_t *)>("cuGraphGetNodes")(graph, nullptr, &nodes));
    EXPECT_EQ(nodes, 1u);
    ASSERT_DRIVER(driver<int (*)(GraphExec *, Graph, uint64_t)>("cuGraphInstantiateWithFlags")(&executable, graph, 0));
    EXPECT_NE(result(), outside) << "capture must not run";
    ASSERT_DRIVER(driver<int (*)(GraphExec, quern_stream)>("cuGraphLaunch")(executable, stream));
    QUERN_ASSERT_OK(quern_device_synchronize(device_, stream));
    EXPECT_EQ(result(), outside) << "m = " << m;
    driver<int (*)(GraphExec)>("cuGraphExecDestroy")(executable);
    driver<int (*)(Graph)>("cuGraphDestroy")(graph);
  }
  driver<int (*)(quern_stream)>("cuStreamDestroy_v2")(stream);
}

}  // namespace
}  // namespace quern::gpu_test
